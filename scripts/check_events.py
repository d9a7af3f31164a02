# /// script
# dependencies = ["tensorboard"]
# ///
"""Whether TensorBoard reads the events of a training, and whether they are what history.json of the run says.

usage: python scripts/check_events.py RUN_FOLDER
"""
import json, math, pathlib, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

run = pathlib.Path(sys.argv[1])
for file in sorted((run / "tensorboard").iterdir()):
    # The raw loader compares every checksum and stops at the first record that is damaged.
    print(f"{file.name}: {sum(1 for _ in RawEventFileLoader(str(file)).Load())} records")
events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
events.Reload()
tags = events.Tags()["scalars"]
print(f"{len(tags)} scalars: {', '.join(tags)}")
validations = json.loads((run / "history.json").read_text())["validations"]
for figure in validations[0]["figures"]:
    found = {event.step: event.value for event in events.Scalars(f"validation/{figure.replace(' ', '_')}")}
    for validation in validations:
        assert math.isclose(found[validation["step"]], validation["figures"][figure], rel_tol=1e-6, abs_tol=1e-6), figure
print(f"the figures of {len(validations)} validations agree")
