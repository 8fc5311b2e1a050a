"""Why a candidate was shown: heat maps, calibrated confidence, novelty, statement."""
