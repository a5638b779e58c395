"""openSMILE's eGeMAPSv02 functionals over whole signals, in the peers' environment.

`egemaps.py IN.npz`: IN holds int16 signals at 8 kHz by name. Printed as JSON: seconds of processor
time, the start of the program apart. openSMILE is free for research and private use alone: it is
measured beside callmart and never a part of it.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np


def main() -> None:
    import opensmile

    extractor = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
        num_workers=1,
    )
    signals = [signal.astype(np.float32) / 32768 for signal in np.load(sys.argv[1]).values()]
    extractor.process_signal(signals[0][:16000], 8000)
    began = time.process_time()
    for signal in signals:
        extractor.process_signal(signal, 8000)
    print(json.dumps({"seconds": time.process_time() - began}))


if __name__ == "__main__":
    main()
