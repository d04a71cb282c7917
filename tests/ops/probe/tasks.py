import os
import time

from celery import shared_task


@shared_task(name="probe.note")
def note(number: int, seconds: float = 0.05) -> None:
    """Takes a while, then appends `number` to the file in PROBE_FILE, in one write: threads must not mix."""
    time.sleep(seconds)
    descriptor = os.open(os.environ["PROBE_FILE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{number}\n".encode())
    os.close(descriptor)
