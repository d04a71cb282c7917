-- Mails that left more than 10 s after their address, or its domain, was suppressed.
-- (An answer by hand to somebody who said no is confirmed by whoever writes it.)
SELECT message.id AS message_id, message.to_email, suppression.kind, suppression.created_at, message.departed_at
FROM sending_message AS message
JOIN leads_suppression AS suppression
    ON suppression.workspace_id = message.workspace_id
    AND (
        suppression.value = message.to_email
        OR substr(suppression.value, 1, 1) = '@'
        AND substr(message.to_email, length(message.to_email) - length(suppression.value) + 1) = suppression.value
    )
WHERE message.state IN ('committed', 'sent', 'unknown')
    AND NOT (message.kind = 'manual' AND suppression.kind = 'replied_no')
    AND extract(epoch FROM message.departed_at) > extract(epoch FROM suppression.created_at) + 10
ORDER BY message.departed_at
