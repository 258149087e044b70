-- Hears the hints of agenda/notify.
LISTEN fallsafe_due
