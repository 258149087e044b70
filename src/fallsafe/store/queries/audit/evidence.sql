-- Every piece of sealed evidence.
SELECT id, sealed FROM evidence
