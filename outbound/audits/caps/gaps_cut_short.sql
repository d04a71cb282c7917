-- Campaign mails that left a mailbox before the gap after one of the mails before them was over.
SELECT later.mailbox_id, later.message_id, later.departed_at, later.free_at
FROM (
    SELECT
        message.mailbox_id,
        message.id AS message_id,
        message.departed_at,
        max(message.next_free_at) OVER (
            PARTITION BY message.mailbox_id ORDER BY message.committed_at, message.id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS free_at
    FROM sending_message AS message
    WHERE message.kind = 'campaign' AND message.departed_at IS NOT NULL
) AS later
WHERE later.departed_at < later.free_at
ORDER BY later.mailbox_id, later.departed_at
