-- Mails that left without a claim and a commit before the dot.
SELECT message.id AS message_id, message.state, message.attempt, message.committed_at
FROM sending_message AS message
WHERE message.state IN ('committed', 'sent', 'unknown')
    AND (message.token IS NULL OR message.committed_at IS NULL OR message.attempt = 0)
ORDER BY message.id
