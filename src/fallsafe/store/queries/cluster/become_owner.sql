-- Whoever migrates does so as the owner role, so that all tables have one owner whoever typed the command.
SET LOCAL ROLE fallsafe_owner
