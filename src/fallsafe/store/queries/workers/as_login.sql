-- Sessions are ended by the user that they are of, who may not be the role that works here.
SET LOCAL ROLE NONE
