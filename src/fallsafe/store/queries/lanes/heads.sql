-- Every lane that was ever written, to compare with what writers and anchors remember.
SELECT lane, seq, link FROM lanes WHERE seq > 0 ORDER BY lane
