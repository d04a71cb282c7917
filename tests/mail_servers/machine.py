"""A Postfix and a Dovecot of the tests' own: private folders, unprivileged ports on loopback, gone afterwards.

They play a provider that keeps a copy of what is sent (a Bcc into the sender's Sent folder) and that takes mail for
unknown users and returns it with a DSN. Needs root, as both change users. The configuration is that of Dovecot 2.3.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

from tests.servers.certs import make_certificates

PASSWORD = "correct horse"
OURS, THEIRS = "you.test", "lead.test"
PEOPLE = ("hi", "jo", "ann", "kim")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """`with Machine() as machine: machine.smtp_port (STARTTLS), machine.imap_port (TLS), machine.authority`."""

    def __enter__(self) -> "Machine":
        self.root = Path(tempfile.mkdtemp(prefix="outbound-mail-"))
        self.root.chmod(0o755)
        self.smtp_port, self.imap_port = free_port(), free_port()
        self.certificates = make_certificates(self.root)
        self.authority = self.certificates.authority
        try:
            self._mail_folders()
            self._start_dovecot()
            self._start_postfix()
            for port in (self.smtp_port, self.imap_port):
                answers(port, log=self.log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if (self.root / "postfix/main.cf").exists():
            subprocess.run(["postfix", "-c", self.root / "postfix", "stop"], capture_output=True, check=False)
        for pid in (self.root / "run/master.pid", self.root / "spool/pid/master.pid"):
            end(pid)
        shutil.rmtree(self.root, ignore_errors=True)

    def log(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.root.glob("*.log"))

    def _mail_folders(self) -> None:
        (self.root / "mail").mkdir()
        for person in PEOPLE:
            (self.root / "mail" / person).mkdir()
        subprocess.run(["chown", "-R", "nobody:nogroup", self.root / "mail"], check=True)

    # --- Dovecot ------------------------------------------------------------------------------------------------------

    def _start_dovecot(self) -> None:
        (self.root / "spool/private").mkdir(parents=True)
        subprocess.run(["chown", "postfix", self.root / "spool/private"], check=True)
        (self.root / "users").write_text("".join(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in PEOPLE))
        (self.root / "users").chmod(0o644)
        config = self.root / "dovecot.conf"
        config.write_text(dedent(f"""\
            base_dir = {self.root}/run
            state_dir = {self.root}/state
            log_path = {self.root}/dovecot.log
            protocols = imap
            listen = 127.0.0.1
            ssl = required
            ssl_cert = <{self.root}/server.pem
            ssl_key = <{self.root}/server.pem
            mail_location = maildir:{self.root}/mail/%n
            first_valid_uid = 1
            auth_username_format = %n
            passdb {{
              driver = passwd-file
              args = username_format=%n {self.root}/users
            }}
            userdb {{
              driver = static
              args = uid=nobody gid=nogroup home={self.root}/mail/%n
            }}
            namespace inbox {{
              inbox = yes
              mailbox Sent {{
                auto = subscribe
                special_use = \\Sent
              }}
              mailbox Drafts {{
                auto = subscribe
                special_use = \\Drafts
              }}
            }}
            service imap-login {{
              chroot =
              inet_listener imap {{
                port = 0
              }}
              inet_listener imaps {{
                port = {self.imap_port}
                ssl = yes
              }}
            }}
            service anvil {{
              chroot =
            }}
            service auth {{
              unix_listener {self.root}/spool/private/auth {{
                mode = 0660
                user = postfix
                group = postfix
              }}
            }}
            """))  # fmt: skip
        run(["dovecot", "-c", config], log=self.log)

    # --- Postfix ------------------------------------------------------------------------------------------------------

    def _start_postfix(self) -> None:
        config, (user, group) = self.root / "postfix", ids_of("nobody")
        config.mkdir()
        (self.root / "data").mkdir()
        subprocess.run(["chown", "postfix", self.root / "data"], check=True)
        boxes = {f"{name}@{OURS if name == 'hi' else THEIRS}": f"{name}/" for name in PEOPLE}
        boxes[f"copy@{OURS}"] = "hi/.Sent/"
        (config / "boxes").write_text("".join(f"{address} {folder}\n" for address, folder in boxes.items()))
        (config / "copies").write_text(f"hi@{OURS} copy@{OURS}\n")
        (config / "main.cf").write_text(dedent(f"""\
            compatibility_level = 3.6
            queue_directory = {self.root}/spool
            data_directory = {self.root}/data
            maillog_file = {self.root}/postfix.log
            maillog_file_prefixes = {self.root}
            myhostname = mx.{OURS}
            mydestination =
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            alias_maps =
            alias_database =
            virtual_mailbox_domains = {OURS}, {THEIRS}
            virtual_mailbox_base = {self.root}/mail
            virtual_mailbox_maps = texthash:{config}/boxes
            virtual_uid_maps = static:{user}
            virtual_gid_maps = static:{group}
            virtual_minimum_uid = 1
            sender_bcc_maps = texthash:{config}/copies
            smtpd_reject_unlisted_recipient = no
            smtpd_tls_security_level = encrypt
            smtpd_tls_chain_files = {self.root}/server.pem
            smtpd_sasl_auth_enable = yes
            smtpd_sasl_type = dovecot
            smtpd_sasl_path = private/auth
            smtpd_client_restrictions = permit_sasl_authenticated, reject
            smtpd_relay_restrictions = permit_sasl_authenticated, reject
            smtpd_peername_lookup = no
            default_transport = error
            queue_run_delay = 5s
            """))  # fmt: skip
        (config / "master.cf").write_text(dedent(f"""\
            127.0.0.1:{self.smtp_port} inet n - n - - smtpd
            pickup    unix n - n 60  1 pickup
            cleanup   unix n - n -   0 cleanup
            qmgr      unix n - n 300 1 qmgr
            tlsmgr    unix - - n 1000? 1 tlsmgr
            rewrite   unix - - n -   - trivial-rewrite
            bounce    unix - - n -   0 bounce
            defer     unix - - n -   0 bounce
            trace     unix - - n -   0 bounce
            verify    unix - - n -   1 verify
            flush     unix n - n 1000? 0 flush
            proxymap  unix - - n -   - proxymap
            error     unix - - n -   - error
            retry     unix - - n -   - error
            discard   unix - - n -   - discard
            virtual   unix - n n -   - virtual
            anvil     unix - - n -   1 anvil
            scache    unix - - n -   1 scache
            postlog   unix-dgram n - n - 1 postlogd
            """))  # fmt: skip
        run(["postfix", "-c", config, "start"], log=self.log)


def run(command: list, *, log=str) -> None:
    """Output goes to a file: a server that goes into the background keeps a pipe open for ever."""
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, timeout=60, check=False)
        said.seek(0)
        if done.returncode:
            raise RuntimeError(f"{command}: {said.read()}\n{log()}")


def ids_of(user: str) -> tuple[int, int]:
    import pwd

    found = pwd.getpwnam(user)
    return found.pw_uid, found.pw_gid


def answers(port: int, *, log) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise RuntimeError(f"Port {port} does not answer.\n{log()}") from None
            time.sleep(0.1)


def end(pid_file: Path) -> None:
    """The master we started, by its own pid file; its children end with it."""
    with suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.05)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
