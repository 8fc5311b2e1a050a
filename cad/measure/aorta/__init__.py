"""How wide the aorta is, at right angles to its own course, at the landmarks its geometry gives.

A spline centreline, sections orthogonal to it, a sub-voxel outline from the signed distance (or the probability) by rays. Where
the scan itself is given, the lumen's border on it and a network that reads sections directly are estimates that owe nothing to
the outline's own border. The outline must hold the whole aorta: of a dissected one, both lumens. What the scan does not show,
shows cut, or shows without a border is a coded outcome, never a number.
"""

from cad.measure.aorta.border import OutlineError
from cad.measure.aorta.direct import Direct, DirectError
from cad.measure.aorta.landmarks import LANDMARKS, METHOD, METHOD_DIRECT, METHOD_LUMEN, METHODS, SECOND
from cad.measure.aorta.measuring import AortaMeasurement, Outlined, measure_aorta, measured, outlined
from cad.measure.aorta.sections import Section

__all__ = [
    "LANDMARKS",
    "METHOD",
    "METHODS",
    "METHOD_DIRECT",
    "METHOD_LUMEN",
    "SECOND",
    "AortaMeasurement",
    "Direct",
    "DirectError",
    "OutlineError",
    "Outlined",
    "Section",
    "measure_aorta",
    "measured",
    "outlined",
]
