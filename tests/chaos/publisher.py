"""A SIEM's MQTT client, in a thread of its own: QoS 1, and it remembers what the broker acknowledged."""

import threading
from collections import deque

import paho.mqtt.client as paho

_IN_FLIGHT = 50
_STATUS = "itop-bridge/status"
_ONLINE_S = 30.0


class Publisher:
    """Sends letters in order. After a lost connection paho sends again what was not acknowledged."""

    def __init__(self, port):
        self._port = port
        self._connections = 0
        self._online = threading.Event()
        self._acknowledged = deque()
        """Packet numbers, as the client's thread is told of them: it shares nothing else."""
        self._outstanding = {}
        """By packet number: the letter, and the connection that it was given to."""
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "siem", clean_session=False)
        self._client.on_connect = self._note_connection
        self._client.on_message = self._note_status
        self._client.on_publish = self._note_acknowledgement
        self._client.max_inflight_messages_set(_IN_FLIGHT)
        self._client.reconnect_delay_set(0.1, 0.5)

    def __enter__(self):
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *_):
        self._client.disconnect()
        self._client.loop_stop()

    def wait_until_online(self):
        """Until the bridge says that it has subscribed: before, the broker keeps nothing for it."""
        self._client.subscribe(_STATUS, qos=1)
        if not self._online.wait(_ONLINE_S):
            raise TimeoutError(f"the bridge did not say that it is online within {_ONLINE_S:.0f} s")

    def send(self, letter):
        """Hand a letter over; it is sent now, or when the broker is there again."""
        letter.sent += 1
        number = self._client.publish(letter.topic, letter.payload, qos=1).mid
        self._outstanding[number] = letter, self._connections

    def collect(self):
        """Take note of the acknowledgements that came. Returns how many letters have none yet."""
        while self._acknowledged:
            letter, connection = self._outstanding.pop(self._acknowledged.popleft())
            letter.acknowledged += 1
            letter.sent += self._connections - connection
        return len(self._outstanding)

    def _note_status(self, _client, _userdata, message):
        if message.payload == b"online":
            self._online.set()

    def _note_connection(self, *_):
        self._connections += 1

    def _note_acknowledgement(self, _client, _userdata, number, *_):
        self._acknowledged.append(number)
