-- Mails that took a slot of a day's cap when as many as the cap allowed at that moment had been taken before.
SELECT held.counter, held.message_id, held.place, held.cap
FROM (
    SELECT
        slot.value AS counter,
        message.id AS message_id,
        row_number() OVER (PARTITION BY slot.value ORDER BY message.committed_at, message.id) AS place,
        CAST(message.caps ->> slot.key AS integer) AS cap
    FROM sending_message AS message, jsonb_each_text(message.reserved) AS slot
    WHERE message.direction = 'out'
) AS held
WHERE held.place > held.cap
ORDER BY held.counter, held.place
