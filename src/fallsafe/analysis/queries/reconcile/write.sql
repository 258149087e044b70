-- All findings as a file.
COPY {findings} TO {path} ({how})
