"""What the pages say, in English and Japanese. A name without a translation is shown as it is, spaces for underscores."""

from __future__ import annotations

from collections.abc import Mapping

from cad.errors import ShokenError
from cad.explain.wording import FOLLOW_UPS, LOCATIONS, OUTCOMES, TEXTURES
from cad.write.words_of_novelty import NOVELTY

LANGUAGES = ("en", "ja")

# key: (English, Japanese)
_WORDS: dict[str, tuple[str, str]] = {
    "banner": (
        "Research software - not a medical device - a reader decides",
        "研究用ソフトウェア・医療機器ではありません・判断は読影医が行います",
    ),
    "case": ("Case", "症例"),
    "patient": ("Patient (pseudonym)", "患者（仮名）"),
    "study": ("Study", "検査"),
    "status": ("Status", "状態"),
    "screened": ("Screened", "解析済み"),
    "not_screened": ("NOT SCREENED", "未解析"),
    "failed": ("FAILED", "失敗"),
    "not_screened_long": (
        "This study was not screened. Read it without this software; the reasons are below.",
        "この検査は解析されていません。通常どおり読影してください。理由は下記のとおりです。",
    ),
    "technique": ("Examination and technique", "検査と撮像法"),
    "indication": ("Looked for", "検索対象"),
    "images_read": ("Images", "画像"),
    "reconstruction": ("Reconstruction", "再構成・撮像系列"),
    "contrast": ("Contrast", "造影"),
    "contrast_yes": ("given", "あり"),
    "contrast_likely": ("likely given", "ありと推定"),
    "not_stated": ("not stated", "記載なし"),
    "slices_of": ("slices", "スライス"),
    "spacing": ("spacing", "間隔"),
    "thickness": ("thickness", "厚"),
    "pixel": ("pixel", "画素"),
    "kernel": ("kernel", "カーネル"),
    "axial": ("axial", "横断"),
    "coronal": ("coronal", "冠状断"),
    "sagittal": ("sagittal", "矢状断"),
    "oblique": ("oblique", "斜断"),
    "technique_note": (
        "From the de-identified headers of the series that were used; the clinical question is not known to this software.",
        "使用したシリーズの匿名化ヘッダーによる。臨床的な検査目的は本ソフトウェアには伝わっていません。",
    ),
    "comparison_title": ("Comparison", "比較"),
    "no_prior": ("No prior examination was compared.", "比較した過去検査はありません。"),
    "unfamiliar": (
        "This scan is unlike what the models were trained on; confidences mean less.",
        "学習データと異なる画像です。確信度の意味は限られます。",
    ),
    "impression_title": ("Impression", "印象"),
    "limitations": ("Limitations", "限界と注意"),
    "general_limits": (
        "Models were trained and calibrated on simulated images only; confidence and operating points hold for images like those. "
        "Only the tasks named above were run: nothing is said of any other organ or disease. "
        "Follow-up hints cite a guideline and are no advice. "
        "A study without a finding is not a normal study.",
        "モデルの学習と較正は模擬画像のみによるもので、確信度と動作点は同様の画像についてのみ成り立ちます。上記のタスク以外の臓器・疾患については何も述べません。"
        "経過観察の記載は指針の引用であり助言ではありません。所見がないことは正常を意味しません。",
    ),
    "signature": (
        "Made by software that is not a medical device. Not signed: a reader decides, and signs a report of their own.",
        "医療機器ではないソフトウェアによる作成物です。署名はありません。判断と報告書への署名は読影医が行います。",
    ),
    "appendix": ("Appendix: how this came about", "付録：算出の経緯"),
    "faithfulness": ("How far to trust the map", "ヒートマップの信頼性"),
    "heat_note": ("Outline dashed; 0 cold, 1 hottest", "破線は輪郭。0 が最低、1 が最高"),
    "not_calibrated": ("NOT CALIBRATED for such a finding", "この所見には較正が及びません"),
    "claim_lesion": ("Called a lesion", "病変と判定"),
    "claim_not_lesion": ("Called not a lesion", "病変ではないと判定"),
    "claim_unsure": ("Called unsure: lesion or look-alike", "判定保留：病変か類似像か"),
    "claim_level": ("promised wrong of each kind at most", "各群の誤判定率の上限"),
    "claim_called": ("lesions among calibration candidates called the same:", "同じ判定の較正候補中の病変:"),
    "doubts": ("Doubts", "留意点"),
    "scan_unlike": ("scan unlike the training data", "学習データと異なる画像"),
    "scan_unusual": ("unusual scan", "通常と異なる画像"),
    "unsteady": ("score not steady under small changes", "微小な変化でスコアが不安定"),
    "looks_unlike": ("looks unlike the lesions that were taught", "学習した病変と異なる外観"),
    "if_changed": ("Confidence if it were", "次の場合の確信度"),
    "if_erased": ("painted over", "消去"),
    "if_small": ("5 mm wide", "5 mm大"),
    "if_fat": ("as dense as fat", "脂肪濃度"),
    "if_calcium": ("as dense as calcium", "石灰濃度"),
    "drops": ("Score lost without the hottest / random / edge voxels", "除去時のスコア低下：高熱部 / 無作為 / 辺縁"),
    "gains": ("Score won back with the hottest / random / edge voxels", "復元時のスコア上昇：高熱部 / 無作為 / 辺縁"),
    "model_check": ("Map depends on the weights (randomisation)", "重みへの依存（無作為化検査）"),
    "check_passed": ("passed", "合格"),
    "check_failed": ("FAILED", "不合格"),
    "check_not_measured": ("not measured", "未測定"),
    "reliability": ("What the confidences rest on", "確信度の根拠"),
    "calibrated_on": ("Calibrated on", "較正データ"),
    "scans": ("scans", "検査"),
    "lesions": ("lesions", "病変"),
    "ece": ("Calibration error (95 % interval)", "較正誤差（95 % 区間）"),
    "brier": ("Brier score (95 % interval)", "Brier スコア（95 % 区間）"),
    "operating_point": ("Operating point:", "動作点："),
    "aorta_ct_course": ("Aorta, course", "大動脈の走行"),
    "aorta_ct_note": ("Aorta: outline in orange; ticks show where it is cut", "大動脈：橙色は輪郭、目盛は断面の位置"),
    "aorta_ct_course_note": (
        "Laid straight along its centreline, and cut at right angles at the ticks with the diameter of each cut",
        "中心線に沿って伸ばした像と、目盛の位置での直交断面および径",
    ),
    "summary": ("Findings, best first", "所見（確信度順）"),
    "none_shown": (
        "No candidate passed the operating point. This is not proof that there is none.",
        "動作点を超えた候補はありません。病変がないことの証明ではありません。",
    ),
    "rank": ("Rank", "順位"),
    "kind": ("Kind", "種類"),
    "task": ("Task", "タスク"),
    "place": ("Centre x, y, z (mm, LPS)", "中心 x, y, z（mm, LPS）"),
    "diameter": ("Diameter", "径"),
    "confidence": ("Confidence", "確信度"),
    "confidence_note": ("calibrated chance that this is a real finding", "真の所見である確率（較正済み）"),
    "model": ("Model", "モデル"),
    "finding": ("Finding", "所見"),
    "key_slice": ("Key slice", "キースライス"),
    "key_slice_note": ("Key slice: outline in orange, ticks point at its centre", "キースライス：橙色は輪郭、目盛は中心を示す"),
    "three_planes": ("Three planes: plain, outlined", "三断面：原画像・輪郭"),
    "three_planes_window": ("Three planes: plain, outlined, second window", "三断面：原画像・輪郭・別ウィンドウ"),
    "heat_map": ("Heat map: what the network looked at", "ヒートマップ：ネットワークの注目部位"),
    "no_heat": ("No heat map was made for this finding.", "この所見のヒートマップはありません。"),
    "no_image": ("No picture is available for this finding.", "この所見の画像はありません。"),
    "trustworthy": ("passed its checks", "検証に合格"),
    "untrustworthy": ("NOT TRUSTWORTHY", "信頼できません"),
    "pointing_hit": ("Peak inside the outline", "最大点が輪郭内"),
    "mass_inside": ("Heat inside the outline", "輪郭内の熱量"),
    "deletion_drop": ("Score lost without the hottest voxels", "高熱部除去時のスコア低下"),
    "random_drop": ("Score lost without random voxels", "無作為除去時のスコア低下"),
    "yes": ("yes", "はい"),
    "no": ("no", "いいえ"),
    "why": ("Why", "根拠"),
    "measurements": ("Measurements", "計測"),
    "name": ("Name", "項目"),
    "value": ("Value", "値"),
    "interval": ("95 % interval", "95 % 区間"),
    "method": ("Method", "方法"),
    "not_measured": ("not measured", "計測不能"),
    "evidence": ("Evidence", "証拠"),
    "key_slices": ("Key slices (SOP Instance UID, pseudonymous)", "キースライス（SOP Instance UID・仮名）"),
    "region": ("Region (mm, LPS)", "領域（mm, LPS）"),
    "mask_digest": ("Outline sha256", "輪郭 sha256"),
    "heat_digest": ("Heat map sha256", "ヒートマップ sha256"),
    "stage_scores": ("Raw scores by stage", "各段階の生スコア"),
    "case_measurements": ("Measurements of the case", "症例の計測"),
    "position": ("At x, y, z (mm)", "位置 x, y, z（mm）"),
    "curve": ("Diameter along the centreline", "中心線に沿った径"),
    "along": ("mm along the centreline", "中心線上の距離（mm）"),
    "funnel": ("How the candidates were narrowed down", "候補の絞り込み"),
    "slices_in": ("slices in", "入力スライス"),
    "slices_kept": ("slices kept", "残したスライス"),
    "candidates": ("candidates", "候補"),
    "candidates_kept": ("kept", "残した候補"),
    "shown": ("shown", "表示"),
    "caution": ("Before you rely on this", "ご利用の前に"),
    "left_out": ("What was not screened, and why", "解析しなかったものと理由"),
    "nothing_left_out": ("Nothing was refused.", "除外はありません。"),
    "refusals": ("Refused", "除外"),
    "warnings": ("Warnings", "警告"),
    "choices": ("Series choices", "シリーズの選択"),
    "item": ("Item", "対象"),
    "reason": ("Reason", "理由"),
    "detail": ("Detail", "詳細"),
    "series": ("Series", "シリーズ"),
    "used": ("Used", "使用"),
    "novelty": ("Is this study like the training data?", "学習データとの類似性"),
    "novelty_score": ("Unlikeness", "非類似度"),
    "level": ("Level", "判定"),
    "notes": ("Notes", "備考"),
    "models": ("Models and operating points", "モデルと動作点"),
    "version": ("Version", "版"),
    "weights": ("Weights sha256", "重み sha256"),
    "data": ("Training data", "学習データ"),
    "code": ("Code", "コード"),
    "approval": ("Approval", "承認"),
    "unapproved": ("not approved", "未承認"),
    "stage": ("Stage", "段階"),
    "threshold": ("Threshold", "しきい値"),
    "sensitivity": ("Sensitivity (95 % interval, n)", "感度（95 % 区間, n）"),
    "provenance": ("Provenance", "来歴"),
    "settings": ("Settings sha256", "設定 sha256"),
    "schema": ("Schema", "スキーマ"),
    "worklist": ("Worklist", "ワークリスト"),
    "unscreened_first": ("Not screened - read these without help", "未解析 － 通常どおり読影してください"),
    "ranked": ("Screened, highest priority first", "解析済み（優先度順）"),
    "studies": ("Studies", "検査数"),
    "findings": ("Findings", "所見数"),
    "priority": ("Priority", "優先度"),
    "priority_note": ("chance that at least one shown finding is real", "表示所見のうち少なくとも一つが真である確率"),
    "top_finding": ("Top finding", "最上位の所見"),
    "series_used": ("Series used / all", "使用 / 全シリーズ"),
    "files": ("Files", "ファイル数"),
    "refused_files": ("Files refused", "除外ファイル"),
    "open": ("open", "開く"),
    "no_finding": ("no finding shown", "表示所見なし"),
    "empty_worklist": ("No study was found in the export.", "検査が見つかりませんでした。"),
    # tasks and kinds
    "lung_nodule_ct": ("Lung nodules, CT", "肺結節（CT）"),
    "brain_lesion_mr": ("Brain lesions, MR", "脳病変（MR）"),
    "aorta_ct": ("Aorta, CT", "大動脈（CT）"),
    "lung_nodule": ("lung nodule", "肺結節"),
    "brain_lesion": ("brain lesion", "脳病変"),
    "dilated_aorta": ("dilated aorta", "大動脈拡張"),
    "aortic_dilatation": ("aortic dilatation", "大動脈拡張"),
    "aorta_dilatation": ("aortic dilatation", "大動脈拡張"),
    # novelty levels
    "familiar": ("familiar", "類似"),
    "unusual": ("UNUSUAL", "やや異質"),
    "unlike training data": ("UNLIKE THE TRAINING DATA", "学習データと異質"),
    # measurements
    "long_axis": ("long axis", "長径"),
    "short_axis": ("short axis", "短径"),
    "volume": ("volume", "体積"),
    "effective_diameter": ("diameter of equal volume", "等体積径"),
    "longest_diameter_3d": ("longest diameter in 3-D", "三次元最大径"),
    "mean_hu": ("mean inside the outline", "輪郭内平均"),
    "sd_hu": ("standard deviation", "標準偏差"),
    "median_hu": ("median", "中央値"),
    "p05_hu": ("5th percentile", "5 パーセンタイル"),
    "p95_hu": ("95th percentile", "95 パーセンタイル"),
    "solid_fraction": ("solid share", "充実成分の割合"),
    "calcified_fraction": ("calcified share", "石灰化の割合"),
    "contrast_ratio": ("signal against surroundings", "周囲との信号比"),
    "texture": ("texture", "性状"),
    "location": ("location", "部位"),
    "margin_width": ("width of the margin", "辺縁の幅"),
    "pleural_contact": ("contact with the pleura", "胸膜との接触"),
    "sphericity": ("sphericity", "球形度"),
    "lobulation_index": ("lobulation index", "分葉指数"),
    "spiculation_index": ("spiculation index", "スピキュラ指数"),
    "vessel_contact": ("contact with vessels", "血管との接触"),
    "cavity_fraction": ("air inside (cavity)", "内部の空気（空洞）"),
    "cavitary": ("cavitary", "空洞あり"),
    "no_cavity": ("no cavity", "空洞なし"),
    "solid_diameter": ("solid part, mean diameter", "充実成分の平均径"),
    "comparison": ("compared with the prior", "前回検査との比較"),
    "prior_interval": ("interval to the prior", "前回検査との間隔"),
    "prior_volume": ("volume on the prior", "前回の体積"),
    "volume_change": ("change of volume", "体積の変化"),
    "least_change": ("increase that would exceed noise", "誤差を超える増加の下限"),
    "doubling_time": ("volume doubling time", "体積倍加時間"),
    "mean_diameter_change": ("change of mean diameter", "平均径の変化"),
    "new": ("NEW", "新出"),
    "grown": ("GROWN", "増大"),
    "shrunk": ("shrunk", "縮小"),
    "unchanged": ("unchanged", "不変"),
    "resolved": ("no longer seen", "消失"),
    "not_comparable": ("not comparable", "比較不能"),
    "outside_prior": ("outside the prior scan", "前回検査の範囲外"),
    "size_class": ("size class", "サイズ区分"),
    "below_6_mm": ("below 6 mm", "6 mm 未満"),
    "6_to_8_mm": ("6 to 8 mm", "6〜8 mm"),
    "above_8_mm": ("above 8 mm", "8 mm 超"),
    "fleischner_2017": ("Fleischner 2017 (hint)", "Fleischner 2017（参考）"),
    "lung_rads_2022": ("Lung-RADS v2022 (hint)", "Lung-RADS v2022（参考）"),
    "lung_rads_1": ("category 1", "カテゴリー1"),
    "lung_rads_2": ("category 2", "カテゴリー2"),
    "lung_rads_3": ("category 3", "カテゴリー3"),
    "lung_rads_4A": ("category 4A", "カテゴリー4A"),
    "lung_rads_4B": ("category 4B", "カテゴリー4B"),
    "attached": ("attached", "接触あり"),
    "free": ("free", "接触なし"),
    "aorta_sinus": ("sinuses of Valsalva", "バルサルバ洞"),
    "aorta_ascending_max": ("ascending aorta, widest", "上行大動脈最大部"),
    "aorta_mid_ascending": ("mid-ascending aorta", "上行大動脈中部"),
    "aorta_mid_arch": ("mid-arch", "弓部中央"),
    "aorta_proximal_descending": ("proximal descending aorta", "下行大動脈近位部"),
    "aorta_mid_descending": ("mid-descending aorta", "下行大動脈中部"),
    "aorta_diaphragm": ("aorta at the diaphragm", "横隔膜レベル"),
    "aorta_sinotubular_junction": ("sinotubular junction", "洞上行大動脈接合部"),
    "aorta_proximal_arch": ("proximal arch", "弓部近位部"),
    "aorta_abdominal": ("abdominal aorta, widest", "腹部大動脈最大部"),
    "aorta_bifurcation": ("aorta above the bifurcation", "大動脈分岐部直上"),
    "aorta_max": ("aorta, widest", "大動脈最大径"),
    "aorta_max_second_estimate": ("aorta, widest, second estimate", "大動脈最大径（別法）"),
    "estimates_agree": ("two estimates agree", "二法の推定が一致"),
    "estimates_disagree": ("two estimates disagree", "二法の推定が不一致"),
    "wider_part_unclear": ("a part that may be wider has no clear border", "境界不明瞭な部分がより広い可能性"),
    # why something was left out
    "not_dicom": ("not DICOM", "DICOM ではない"),
    "unreadable": ("unreadable", "読み込み不可"),
    "burned_in_text": ("text burned into the pixels", "画素に文字情報"),
    "wrong_body_part": ("wrong body part", "対象外の部位"),
    "body_part_unknown": ("body part not certain", "部位を確認できない"),
    "body_part_contradicted": ("the header names another body part", "ヘッダーの部位と画像が不一致"),
    "body_part_unsure": ("only part of the organ in view", "臓器の一部のみ撮像"),
    "outside_training": ("not what the network was trained on", "学習データ外の撮像条件"),
    "gap_in_series": ("slices missing", "スライス欠落"),
    "thick_slices": ("thick slices", "厚いスライス"),
    "single_slice": ("a single slice", "単一スライス"),
    "no_model": ("no model", "モデルなし"),
    "model_unusable": ("model unusable", "モデル使用不可"),
    "study_failed": ("failed", "失敗"),
    "no_task_for_study": ("no task looks at this study", "対象タスクなし"),
    "no_task_for_series": ("no task looks at this series", "対象タスクなし"),
    "archive_broken": ("archive cannot be opened", "アーカイブ破損"),
    "archive_encrypted": ("encrypted archive", "暗号化アーカイブ"),
    "not_in_volume": ("not part of the volume", "ボリュームに含まれない"),
}
_UNITS = {"mm3": "mm³", "mm2": "mm²", "cm3": "cm³", "[hnsf'U]": "HU", "1": "", "{score}": "", "{ratio}": ""}


def words(lang: str) -> dict[str, str]:
    """All words of one language. Raises ShokenError for a language there is none of."""
    if lang not in LANGUAGES:
        raise ShokenError(f"no pages in {lang!r}", subject="--lang", accepted=", ".join(LANGUAGES))
    own = {key: pair[LANGUAGES.index(lang)] for key, pair in (NOVELTY | _WORDS).items()}
    return LOCATIONS[lang] | FOLLOW_UPS[lang] | TEXTURES[lang] | OUTCOMES[lang] | own


def word(known: Mapping[str, str], name: str) -> str:
    """The word of a code, or the code itself made readable."""
    return known.get(name) or name.replace("_", " ")


def unit(ucum: str) -> str:
    """A UCUM unit as people write it."""
    return _UNITS.get(ucum, ucum)


def millimetres(value: float | None) -> str:
    """A length to a tenth of a millimetre."""
    return "–" if value is None else f"{value:.1f} mm".replace("-", "−")


def number(value: float | None) -> str:
    """Three or so significant digits, no exponent for what is measured in a body: 5.37, 23.4, 123, 4120."""
    if value is None:
        return "–"
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:.{decimals}f}".replace("-", "−")


def span(interval: tuple[float, float], ucum: str) -> str:
    """An interval with the digits its value is shown with."""
    low, high = (f"{end:.1f}".replace("-", "−") if ucum == "mm" else number(end) for end in interval)
    return f"{low} – {high}"
