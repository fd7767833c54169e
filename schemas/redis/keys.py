"""Every key of the project in Redis. No other module spells a key.

`<run>` is a run id, `<device>` a device's name (`cpu0@host`), `<vendor>` a data vendor. An expiry counts from the last
write. All other keys in a broker are Celery's.

| key                 | type    | holds                                             | writer | reader      | expiry    |
|---------------------|---------|---------------------------------------------------|--------|-------------|-----------|
| `<device>`          | list    | Celery messages: the device's queue               | orch.  | worker      | (1)       |
| `attempts:<run>`    | hash    | `ROLE/NAME` → number of the newest attempt; its   | both   | both        | 7 days    |
|                     |         | claimant follows once a worker has claimed it     |        |             |           |
| `outcomes:<run>`    | stream  | `outcome`: an Outcome as JSON                     | worker | orch.       | 7 days    |
| `events:<run>`      | stream  | `event`: a TrainingEvent as JSON                  | both   | followers   | 7 days    |
| `seq:<run>`         | string  | number of the run's last event                    | both   | both        | 7 days    |
| `telemetry:<run>`   | channel | the same events                                   | both   | subscribers |           |
| `name:<run>`        | string  | who runs the run: host, folder, begin as JSON     | orch.  | orch.       | 15 s      |
| `cancel:<run>`      | string  | `asked`, then how the run ended                   | cancel, orch. | both | 5 s, 60 s |
| `devices`           | zset    | device → server time (ms) its heartbeat expires   | worker | both        | 5 s       |
| `presences`         | hash    | device → its last heartbeat: a Presence as JSON   | worker | both        | 5 s       |
| `cordoned`          | set     | devices that get no work until they are uncordoned | fleet | orch., fleet |          |
| `shares`            | hash    | run → server time (ms), and its Share as JSON     | orch.  | orch., fleet | 5 s      |
| `alone:<device>`    | string  | run whose work needs the device for itself        | orch.  | orch.       | 5 s       |
| `dead-letters`      | list    | what could not be read: JSON with place and reason | both  | fleet       | 7 days    |
| `dead-letter-counts`| hash    | kind of place → how many there were                | both  | fleet, metrics | 7 days |
| `check:<token>/TYPE`| any     | what is written to see whether it may be          | orch.  | orch.       | 10 s      |
| `served:<device>`   | string  | the process that serves it, and its machine: JSON | worker | worker      | 10 s      |
| `pace:<vendor>`     | string  | server time (µs) of the next free request slot    | worker | worker      | once past |

(1) Redis removes an empty list. A run that ends removes its messages, its attempts and its outcomes; its events and
their number stay for 60 s, as does an outcome that arrives later.
"""

DEVICES = "devices"
PRESENCES = "presences"
CORDONED = "cordoned"
SHARES = "shares"
DEAD_LETTERS = "dead-letters"
DEAD_LETTER_COUNTS = "dead-letter-counts"
EVENTS_PREFIX = "events:"

RUN_KEYS_EXPIRY_S = 7 * 24 * 3600
RUN_KEYS_LINGER_S = 60
EVENT_STREAM_CAP = 100_000


def is_taken(name: str) -> bool:
    """Whether `name`, as the name of a queue, would be another key of the project or of Celery."""
    own = (DEVICES, PRESENCES, CORDONED, SHARES, DEAD_LETTERS, DEAD_LETTER_COUNTS)
    return ":" in name or name in own or name.startswith("_kombu")


def attempts_key(run_id: str) -> str:
    """Hash of the attempts that may begin, or have begun."""
    return f"attempts:{run_id}"


def work_field(role: str, name: str) -> str:
    """Field of a piece of work in `attempts_key`."""
    return f"{role}/{name}"


def outcomes_stream(run_id: str) -> str:
    """Stream of a run's outcomes."""
    return f"outcomes:{run_id}"


def events_stream(run_id: str) -> str:
    """Stream of a run's events."""
    return f"{EVENTS_PREFIX}{run_id}"


def sequence_key(run_id: str) -> str:
    """Counter of a run's events."""
    return f"seq:{run_id}"


def telemetry_channel(run_id: str) -> str:
    """Channel on which a run's events are published."""
    return f"telemetry:{run_id}"


def run_id_owner_key(run_id: str) -> str:
    """Owner of a run id: the host and folder of the run that uses it."""
    return f"name:{run_id}"


def cancel_key(run_id: str) -> str:
    """A wish to cancel a run, and the run's answer."""
    return f"cancel:{run_id}"


def alone_key(device: str) -> str:
    """Reservation of a device by a run."""
    return f"alone:{device}"


def check_key(token: str, kind: str) -> str:
    """A key that only tries whether a command is allowed."""
    return f"check:{token}/{kind}"


def served_key(device: str) -> str:
    """The process that serves a device, or is about to."""
    return f"served:{device}"


def pace_key(vendor: str) -> str:
    """Next free slot for a request to a vendor."""
    return f"pace:{vendor}"
