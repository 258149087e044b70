"""Security: who somebody is and whether a message is theirs; it says yes or no and decides nothing about orders."""
