-- Mails booked as sent of which no answer, and no person's decision, is on record.
SELECT message.id AS message_id, message.to_email, message.settled_at
FROM sending_message AS message
LEFT JOIN apikeys_event AS event
    ON event.message_id = message.id AND event.kind IN ('email.sent', 'email.decided')
WHERE message.state = 'sent' AND message.direction = 'out' AND (event.id IS NULL OR message.settled_at IS NULL)
ORDER BY message.id
