"""Words of the statements in English and Japanese, one table a language; no sentence is built elsewhere.

Japanese follows the order and wording of radiology reports (部位、大きさ、性状、辺縁、付随所見、診断、確信度).
"""

from __future__ import annotations

from cad.errors import ShokenError

LANGUAGES = ("en", "ja")

LOCATIONS = {
    "en": {
        "right_upper_zone": "upper zone of the right lung",
        "right_middle_zone": "middle zone of the right lung",
        "right_lower_zone": "lower zone of the right lung",
        "left_upper_zone": "upper zone of the left lung",
        "left_middle_zone": "middle zone of the left lung",
        "left_lower_zone": "lower zone of the left lung",
        "left_hemisphere": "left cerebral hemisphere",
        "right_hemisphere": "right cerebral hemisphere",
        "midline": "midline of the brain",
    },
    "ja": {
        "right_upper_zone": "右肺上肺野",
        "right_middle_zone": "右肺中肺野",
        "right_lower_zone": "右肺下肺野",
        "left_upper_zone": "左肺上肺野",
        "left_middle_zone": "左肺中肺野",
        "left_lower_zone": "左肺下肺野",
        "left_hemisphere": "左大脳半球",
        "right_hemisphere": "右大脳半球",
        "midline": "正中部",
    },
}

TEXTURES = {
    "en": {"solid": "solid", "part_solid": "part-solid", "ground_glass": "pure ground-glass", "calcified": "calcified"},
    "ja": {"solid": "充実性", "part_solid": "部分充実型", "ground_glass": "すりガラス型", "calcified": "石灰化"},
}

FOLLOW_UPS = {
    "en": {
        "no_follow_up": "no routine follow-up",
        "no_follow_up_or_12m": "no routine follow-up at low risk, CT at 12 months optional at high risk",
        "ct_6_12m_then_18_24m": "CT at 6 to 12 months, then at 18 to 24 months (to be considered at low risk)",
        "ct_3_6m_then_18_24m": "CT at 3 to 6 months, then at 18 to 24 months (to be considered at low risk)",
        "ct_3m_pet_or_biopsy": "CT at 3 months, PET/CT or tissue sampling to be considered",
        "ct_6_12m_then_2y": "CT at 6 to 12 months, then every 2 years until 5 years",
        "ct_3_6m_then_yearly": "CT at 3 to 6 months, then every year for 5 years if unchanged with a solid part below 6 mm",
        "ct_3_6m_then_2y_4y": "CT at 3 to 6 months, then at 2 and 4 years to be considered",
        "ct_3_6m_most_suspicious": "CT at 3 to 6 months, then by the most suspicious nodule",
        "calcification_to_judge": "none while a reader finds the pattern of calcification benign",
    },
    "ja": {
        "no_follow_up": "定期的な経過観察は不要",
        "no_follow_up_or_12m": "低リスクでは経過観察不要、高リスクでは12か月後のCTを任意で",
        "ct_6_12m_then_18_24m": "6〜12か月後、次いで18〜24か月後のCT（低リスクでは後者は考慮）",
        "ct_3_6m_then_18_24m": "3〜6か月後、次いで18〜24か月後のCT（低リスクでは後者は考慮）",
        "ct_3m_pet_or_biopsy": "3か月後のCT、PET/CTまたは組織採取を考慮",
        "ct_6_12m_then_2y": "6〜12か月後のCT、以後5年まで2年ごと",
        "ct_3_6m_then_yearly": "3〜6か月後のCT、不変で充実成分6 mm未満なら5年間は年1回",
        "ct_3_6m_then_2y_4y": "3〜6か月後のCT、以後2年・4年後を考慮",
        "ct_3_6m_most_suspicious": "3〜6か月後のCT、以後は最も疑わしい結節に準じる",
        "calcification_to_judge": "石灰化の形状を読影医が良性と判断すれば不要",
    },
}

AORTA_PLACES = {
    "en": {
        "aorta_sinus": "at the sinuses of Valsalva",
        "aorta_sinotubular_junction": "at the sinotubular junction",
        "aorta_ascending_max": "at the widest point of the ascending aorta",
        "aorta_mid_ascending": "in the mid-ascending aorta",
        "aorta_proximal_arch": "in the proximal arch",
        "aorta_mid_arch": "in the mid-arch",
        "aorta_proximal_descending": "in the proximal descending aorta",
        "aorta_mid_descending": "in the mid-descending aorta",
        "aorta_diaphragm": "at the level of the diaphragm",
        "aorta_abdominal": "at the widest point below the diaphragm",
        "aorta_bifurcation": "just above the bifurcation",
        "aorta_max": "at its widest",
    },
    "ja": {
        "aorta_sinus": "バルサルバ洞",
        "aorta_sinotubular_junction": "洞上行大動脈接合部",
        "aorta_ascending_max": "上行大動脈最大部",
        "aorta_mid_ascending": "上行大動脈中部",
        "aorta_proximal_arch": "弓部近位部",
        "aorta_mid_arch": "弓部中央",
        "aorta_proximal_descending": "下行大動脈近位部",
        "aorta_mid_descending": "下行大動脈中部",
        "aorta_diaphragm": "横隔膜レベル",
        "aorta_abdominal": "腹部大動脈最大部",
        "aorta_bifurcation": "大動脈分岐部直上",
        "aorta_max": "最大径部",
    },
}

OUTCOMES = {
    "en": {
        "empty_mask": "no outline was found",
        "cut_by_scan_edge": "it runs out of the scanned volume",
        "outline_not_found": "the outline is not closed",
        "too_small": "it is too small for this index",
        "no_contrast": "it does not stand out from its surroundings",
        "no_lung_mask": "the lungs were not outlined",
        "no_brain_mask": "the brain was not outlined",
        "outside_lung": "it lies outside the outlined lung",
        "no_density": "its density was not measured",
        "mask_too_small": "too little of the aorta was outlined",
        "fragmented": "the outline of the aorta is in pieces",
        "centreline_not_found": "no centreline was found",
        "not_in_scan": "this part is not in the scanned volume",
        "arch_not_in_scan": "the arch is not in the scanned volume",
        "diaphragm_unknown": "the level of the diaphragm is not known",
        "cut_off": "the section is cut off by the edge of the scan",
        "unclear_border": "the network did not see a clear border there",
        "implausibly_narrow": "the outline is narrower than an aorta",
        "metal_at_wall": "metal (a stent or clip) lies at its wall",
        "no_waist": "no waist marks it",
        "change_within_noise": "the change is within measurement noise",
        "change_too_small": "the change is less than counts as growth",
        "not_alike": "it does not stand out on both scans so that they can be measured alike",
        "shrinking": "it is shrinking",
        "not_solid": "it has no solid part",
        "missing": "it was not measured",
    },
    "ja": {
        "empty_mask": "輪郭が得られないため",
        "cut_by_scan_edge": "撮像範囲外に及ぶため",
        "outline_not_found": "輪郭が閉じないため",
        "too_small": "病変が小さいため",
        "no_contrast": "周囲とのコントラストが乏しいため",
        "no_lung_mask": "肺の輪郭が得られないため",
        "no_brain_mask": "脳の輪郭が得られないため",
        "outside_lung": "肺の輪郭外にあるため",
        "no_density": "濃度が計測されていないため",
        "mask_too_small": "大動脈の描出範囲が不足しているため",
        "fragmented": "大動脈の輪郭が分断されているため",
        "centreline_not_found": "中心線が得られないため",
        "not_in_scan": "撮像範囲に含まれないため",
        "arch_not_in_scan": "弓部が撮像範囲に含まれないため",
        "diaphragm_unknown": "横隔膜の高さが不明なため",
        "cut_off": "断面が撮像範囲の端で途切れるため",
        "unclear_border": "境界が不明瞭なため",
        "implausibly_narrow": "輪郭が大動脈としては細すぎるため",
        "metal_at_wall": "壁に金属（ステント等）があるため",
        "no_waist": "くびれが認められないため",
        "change_within_noise": "変化が計測誤差の範囲内のため",
        "change_too_small": "変化が増大とみなす基準に満たないため",
        "not_alike": "両検査で同じようには描出されないため",
        "shrinking": "縮小しているため",
        "not_solid": "充実成分がないため",
        "missing": "計測されていないため",
    },
}


def table(tables: dict[str, dict[str, str]], lang: str) -> dict[str, str]:
    """The table of one language. Raises ShokenError for a language there is none for."""
    if lang not in tables:
        raise ShokenError(f"no wording for {lang!r}", subject="lang", accepted=", ".join(LANGUAGES))
    return tables[lang]


def reason(outcome: str, lang: str) -> str:
    """Why a value is missing, in words; the code itself where there are none."""
    return table(OUTCOMES, lang).get(outcome, outcome)


def percent(share: float, gap: str = "") -> str:
    """A whole percent, `gap` before the sign; what is neither nothing nor everything is not rounded to it."""
    if 0 < share < 0.005:
        return f"< 1{gap}%"
    return f"> 99{gap}%" if 0.995 <= share < 1 else f"{share * 100:.0f}{gap}%"
