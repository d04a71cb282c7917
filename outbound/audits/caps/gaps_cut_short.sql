-- Campaign mails that left a mailbox before the gap after the mail before them was over.
SELECT pair.mailbox_id, pair.message_id, pair.departed_at, pair.free_at
FROM (
    SELECT
        message.mailbox_id,
        message.id AS message_id,
        message.departed_at,
        lag(message.next_free_at) OVER (
            PARTITION BY message.mailbox_id ORDER BY message.committed_at, message.id
        ) AS free_at
    FROM sending_message AS message
    WHERE message.next_free_at IS NOT NULL
) AS pair
WHERE pair.departed_at < pair.free_at
ORDER BY pair.mailbox_id, pair.departed_at
