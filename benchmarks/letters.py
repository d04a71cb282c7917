"""The mail that every side sends: text and HTML, about 2 kB."""

SENDER = "hi@you.example"
SUBJECT = "A thought on your spring campaign"
SENTENCE = "We looked at how agencies of your size write to their leads, and one thing stood out among all the others. "
TEXT = "Hi Jo,\n\n" + SENTENCE * 8 + "\n\nBest\nKim\n"
HTML = "<p>Hi Jo,</p>" + f"<p>{SENTENCE}</p>" * 8 + "<p>Best<br>Kim</p>"
UNSUBSCRIBE = "<https://outbound.example/u/token>"


def recipient(number: int) -> str:
    return f"lead{number}@acme{number % 50}.example"
