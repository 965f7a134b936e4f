"""What a player has decoded so far: counts, and when flashes and beeps began."""

import json
import time

import numpy


class Onsets:
    """Times at which something goes on that was off for a while before, milliseconds."""

    def __init__(self):
        self.times = []
        self.last_on = None

    def add(self, is_on):
        now = time.monotonic()
        if is_on and self.last_on is not None and now - self.last_on > 0.4:
            self.times.append(round(now * 1000))
        if is_on or self.last_on is None:
            self.last_on = now


class Seen:
    def __init__(self, beep_hz):
        self.beep_hz = beep_hz
        self.state = "new"
        self.frames = self.samples = self.width = self.height = 0
        self.flashes, self.beeps = Onsets(), Onsets()

    def picture(self, luma, width, height):
        self.frames += 1
        self.width, self.height = width, height
        self.flashes.add(luma.mean() > 120)

    def sound(self, samples, rate):
        """Takes samples of one channel, in 16 bits."""
        self.samples += len(samples)
        power = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples)))) ** 2
        hz = numpy.fft.rfftfreq(len(samples), 1 / rate)
        of_tone = power[numpy.abs(hz - self.beep_hz) < 100].sum() / max(power.sum(), 1)
        self.beeps.add(numpy.abs(samples).mean() > 1000 and of_tone > 0.8)

    def tell(self):
        facts = {name: value for name, value in vars(self).items() if isinstance(value, (int, str))}
        print(json.dumps({**facts, "flashes": self.flashes.times, "beeps": self.beeps.times}), flush=True)
