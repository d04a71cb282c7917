-- A step of an enrollment that has two messages, or a Message-ID under which two mails left.
SELECT 'step' AS what, CAST(touch.enrollment_id AS text) AS whose, CAST(touch.position AS text) AS which, count(*) AS mails
FROM campaigns_touch AS touch
GROUP BY touch.enrollment_id, touch.position
HAVING count(*) > 1
UNION ALL
SELECT 'Message-ID', CAST(message.workspace_id AS text), message.rfc_message_id, count(*)
FROM sending_message AS message
WHERE message.direction = 'out' AND message.state IN ('committed', 'sent', 'unknown')
GROUP BY message.workspace_id, message.rfc_message_id
HAVING count(*) > 1
ORDER BY 1, 2, 3
