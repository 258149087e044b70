-- The one who made the roles may act as them; without this only a superuser could go on.
GRANT fallsafe_owner, fallsafe_app TO CURRENT_USER
