"""Methods and reasons, which the data keep in English, in a page's language: sentence by sentence, the numbers carried over.

What no pattern knows stays English: a reader is better served by an untranslated reason than by none.
"""

from __future__ import annotations

import re
from functools import cache

# (the English sentence, its numbers and names as groups; the Japanese one, where {1} is a translated and \1 a plain group)
_JAPANESE: tuple[tuple[str, str], ...] = (
    # methods of measuring
    (r"RECIST 1\.1 in the acquired slice, sub-voxel outline", "RECIST 1.1（撮像断面、サブボクセル輪郭）"),
    (r"sum of the voxels' shares; interval from the boundary", "ボクセル占有率の総和、区間は境界の不確かさによる"),
    (r"ball of equal volume", "等体積球"),
    (r"sub-voxel surface", "サブボクセル表面"),
    (r"(\d+) voxels inside the outline", r"輪郭内の\1ボクセル"),
    (r"voxels inside the outline", "輪郭内のボクセル"),
    (r"sub-voxel outline", "サブボクセル輪郭"),
    (r"share of voxels from (-?\d+) HU, 3x3x3 median", r"\1 HU以上の割合（3×3×3中央値フィルタ後）"),
    (r"surface of a ball of equal volume / surface", "等体積球の表面積／表面積"),
    (r"1 - volume / volume of the convex hull", "1 − 体積／凸包の体積"),
    (r"share of the volume in parts thinner than (\S+) mm", r"\1 mmより薄い部分の体積割合"),
    (r"mean edge height / steepest mean slope along surface normals", "表面法線方向の平均段差／最大平均勾配"),
    (r"solid share at (-?\d+) HU, calcium at (-?\d+) HU", r"充実成分は\1 HU、石灰化は\2 HU以上の割合による"),
    (
        r"mean of long and short axis of the largest part from (-?\d+) HU, 3x3x3 median",
        r"\1 HU以上の最大部分の長径と短径の平均（3×3×3中央値フィルタ後）",
    ),
    (
        r"air \(below (-?\d+) HU, to half the height of its wall\) enclosed in the outline, by volume",
        r"輪郭に囲まれた空気（\1 HU未満、壁の半値まで）の体積割合",
    ),
    (r"side of the midline, thirds of the lung's height", "正中線に対する左右、肺の高さの三等分"),
    (r"side of the brain's middle", "脳の正中に対する左右"),
    (r"share of the rim of (\S+) mm that lies outside the lung", r"周囲\1 mmのうち肺外にある割合"),
    (
        r"share of the shell (\S+) to (\S+) mm around it taken by structures from (-?\d+) HU, "
        r"thinner than (\S+) mm, that lead (\S+) mm away; strands count as vessels",
        r"周囲\1〜\2 mmの殻のうち、\3 HU以上・太さ\4 mm未満で\5 mm先まで続く構造の割合（索状影も血管とみなす）",
    ),
    (r"mean of long and short axis, to a whole mm", "長径と短径の平均（1 mm単位）"),
    (r"(MacMahon, Radiology 2017;284:228); (\d+) nodules? of at least (\d+)% confidence counted", r"\1、確信度\3%以上の結節\2個として"),
    (r"ACR Lung-RADS v2022, by size, texture and growth alone", "ACR Lung-RADS v2022（大きさ・性状・増大のみによる）"),
    (r"mean inside over the median (\d+) to (\d+) voxels outside", r"内部平均／外側\1〜\2ボクセルの中央値"),
    (r"edges of the detector's box in the axial plane, no outline", "横断面における検出枠の辺（輪郭なし）"),
    (r"outlined on the prior by the same network", "前回画像で同じネットワークにより輪郭抽出"),
    (
        r"volume against the prior's; interval from how well outlines on such slices repeat",
        "前回体積との比、区間はこのスライス条件での輪郭の再現性による",
    ),
    (
        r"both scans on one grid, measured at one level; interval from repeated scans of unchanged lesions",
        "両検査を同一格子に重ね同じ基準で計測、区間は不変病変の反復撮影による",
    ),
    (r"today's volume less the change", "今回の体積から変化量を除いた値"),
    (r"1\.96 SD of that noise, at least (\d+) % \(NELSON, BTS\)", r"計測誤差の1.96標準偏差、\1%以上（NELSON、BTS）"),
    (r"interval x ln 2 / ln\(volume ratio\), exponential growth", "間隔×ln 2／ln（体積比）、指数増大を仮定"),
    (r"mean of long and short axis against the prior's", "長径と短径の平均を前回と比較"),
    (
        r"spline centreline, orthogonal section, sub-voxel outline, diameter of equal area",
        "スプライン中心線、直交断面、サブボクセル輪郭、等面積径",
    ),
    (
        r"spline centreline, orthogonal section, border of enhanced blood plus two walls of (\S+) mm \(assumed\), equal area",
        r"スプライン中心線、直交断面、造影血流の境界＋両側壁厚\1 mm（仮定）、等面積径",
    ),
    (
        r"spline centreline, orthogonal section, diameter of equal area read off it by a network",
        "スプライン中心線、直交断面、ネットワークが断面から直接読んだ等面積径",
    ),
    (r"no outline", "輪郭なし"),
    # why something was not looked at
    (r"usual step (\S+) mm, but (.+) along the normal: about (\d+) slices? missing", r"通常間隔\1 mmのところ{2}：約\3スライス欠落"),
    (r"(\S+) mm between (\S+) and (\S+) mm, (.+)", r"\2〜\3 mm間が\1 mm、{4}"),
    (r"(\S+) mm between (\S+) and (\S+) mm", r"\2〜\3 mm間が\1 mm"),
    (r"no volume could be made of it: (.+)", "ボリュームを構成できない：{1}"),
    (r"no volume could be made of it", "ボリュームを構成できない"),
    (r"an archive member that cannot be unpacked", "アーカイブ内のファイルを展開できない"),
    (r"an archive inside an archive \(accepted: unpack it first\)", "アーカイブ内のアーカイブ（先に展開が必要）"),
    (r"a zip archive that cannot be opened \(accepted: a whole zip file\)", "zipアーカイブを開けない（完全なzipファイルが必要）"),
    (r"an archive: its (\d+) files follow one by one", r"アーカイブ：中の\1ファイルを個別に記載"),
    (r"(\d+) files in one archive \(accepted: at most (\d+)\)", r"一つのアーカイブに\1ファイル（上限\2）"),
    (
        r"unpacks to (\d+) MiB from (\d+) \(accepted: at most (\d+) times its size\)",
        r"\2 MiBが\1 MiBに展開される（上限は圧縮時の\3倍）",
    ),
    (r"an encrypted archive member \(accepted: without a password\)", "暗号化されたアーカイブ内ファイル（パスワードなしが必要）"),
    (r"an archive member of more than 4 GiB", "4 GiBを超えるアーカイブ内ファイル"),
    (r"a symbolic link in an archive \(accepted: the file itself\)", "アーカイブ内のシンボリックリンク（ファイル自体が必要）"),
    (r"no installed task looks at any series of this study", "この検査のシリーズを対象とするタスクがない"),
    (r"modality (\S+), needs (\S+)", r"モダリティ\1（必要：\2）"),
    (r"could serve \((.+)\), but another is preferred: (.+)", "使用可能（{1}）だが他を優先：{2}"),
    (r"(\d+) slices?, needs at least (\d+)", r"\1スライス（\2以上必要）"),
    (r"(\S+) mm long, needs at least (\S+) mm", r"撮像長\1 mm（\2 mm以上必要）"),
    (r"slices of (\S+) mm, needs at most (\S+) mm", r"スライス厚\1 mm（\2 mm以下必要）"),
    (r"(axial|coronal|sagittal) slices, needs axial ones", "{1}像（横断像が必要）"),
    (
        r"(axial|coronal|sagittal) slices of (\S+) mm, needs axial ones or slices of at most (\S+) mm",
        r"{1}像\2 mm（横断像または\3 mm以下が必要）",
    ),
    (
        r"a projection or reformat \(MIP, MPR\) of another series, not what the scanner acquired",
        "他シリーズの投影・再構成像（MIP、MPR）であり撮像原画像ではない",
    ),
    (r"ImageType says localizer: a planning view, not a volume", "ImageTypeが位置決め画像を示し、ボリュームではない"),
    (r"a directory of other files, read no further", "他のファイルの目次であり、読み込まない"),
    (r"a picture of a screen or document, not an acquisition", "画面や文書の画像であり、撮像ではない"),
    (r"SOP class (.+); CT and MR images, classic or enhanced, are read", r"SOPクラス\1（CT・MR画像のみ対象）"),
    (r"modality (\S+); CT and MR are read", r"モダリティ\1（CT・MRのみ対象）"),
    (r"the object's class or instance UID is missing", "クラスまたはインスタンスのUIDがない"),
    (
        r"study, series and frame of reference UID are missing: nothing says what it belongs to",
        "検査・シリーズ・座標系のUIDがなく、帰属が不明",
    ),
    (r"(\d+) samples a pixel; grey images are read", r"画素が\1成分（濃淡画像のみ対象）"),
    (r"a computed map or planning view \((.+)\), not an acquired volume", r"計算画像または位置決め画像（\1）であり撮像ボリュームではない"),
    (
        r"the header says body part (.+), the pixels look like (\S+) \((.+)\): the pixels were believed",
        r"ヘッダーの部位は\1だが画像は\2（\3）：画像に従った",
    ),
    (
        r"(\S+) needs a (\S+); the pixels do not show one for certain \((.+)\) and the header (.+)",
        r"\1の対象は\2だが、画像では確定できず（\3）、ヘッダーも\4",
    ),
    (
        r"the images of one volume name (\d+) frames of reference; DICOM objects made of it name one of these",
        r"一つのボリュームの画像が\1個の異なる座標系（Frame of Reference）を示すため、DICOM出力はその一つを用いた",
    ),
    (
        r"the model was imported; what it was trained on is not known here, so whether this scan is like that cannot be judged",
        "取り込んだモデルのため学習データが不明であり、本検査との類似性は判定できない",
    ),
    (
        r"The first bytes are not a DICOM preamble and no data set could be read\.",
        "先頭がDICOMプリアンブルではなく、データセットを読めない",
    ),
    (
        r"not compared: no earlier study of this patient has a series that this task can look at",
        "比較せず：同一患者の過去検査に対象シリーズがない",
    ),
    (
        r"not compared: whether the prior is of the same person cannot be told, (.+)",
        r"比較せず：前回検査が同一人物か判断できない（{1}）",
    ),
    (r"not compared: the prior may be of another person; (.+)", "比較せず：前回検査は別人の可能性（{1}）"),
    (r"not compared: the map between the scans folds in (\S+) of space", r"比較せず：位置合わせの変形が空間の\1で折り重なる"),
    (r"the prior could not be laid on the current scan: (.+)", r"前回画像を今回画像に重ねられない：\1"),
    (r"the (bones|edges) agree with r = ([\d.]+), which (?:reaches|does not reach) ([\d.]+)", r"{1}の一致 r = \2（基準\3）"),
    (r"the (bones|edges) agree with r = (\S+)", r"{1}の一致 r = \2"),
    (r"bones", "骨"),
    (r"edges", "輪郭線"),
    (r"matched one to one after registration", "位置合わせ後に一対一で対応付け"),
    (r"study dates, shifted alike", "検査日の差（同じ日数だけずらした日付による）"),
    (
        r"(\d+) other stud(?:y|ies) of this patient cannot be put in order: a study date is missing or was removed",
        r"同一患者の他の\1検査は検査日がなく（または削除され）前後を決められない",
    ),
    # what a series is
    (r"(CT|MR) (axial|coronal|sagittal) (\d+) slices?, (\S+) mm apart(?: \((.+)\))?", r"\1 {2} \3スライス、間隔\4 mm（\5）"),
    (r"(axial|coronal|sagittal) (\d+) slices? of (\S+) mm, body part ([^,]+), (.+)", r"{1} \2スライス・\3 mm、部位 {4}、{5}"),
    (r"(contrast, arterial phase|contrast, a late phase|with contrast|probably with contrast|contrast not stated), (.+)", "{1}、{2}"),
    (r"MR type (\S+) \((.+)\)(?:, (.+))?", r"MR種別 \1（{2}）{3}"),
    (r"(.+); the header keeps an emptied contrast agent", r"\1、ヘッダーに空の造影剤欄が残る"),
    (r"looked at as (\S+) beside the preferred series; it (.+)", r"優先シリーズに並べて\1として使用（{2}）"),
    (r"lies on it as its header says, checked", "位置はヘッダーどおり、照合済み"),
    (r"moved by up to (\d+) mm to lie on it", r"最大\1 mm移動して重ねた"),
    (r"soft kernel", "軟部カーネル"),
    (r"lung kernel", "肺野カーネル"),
    (r"unknown kernel", "カーネル不明"),
    (r"contrast, arterial phase", "造影（動脈相）"),
    (r"contrast, a late phase", "造影（後期相）"),
    (r"with contrast", "造影"),
    (r"probably with contrast", "おそらく造影"),
    (r"contrast not stated", "造影の記載なし"),
    (r"not named", "記載なし"),
    (r"axial", "横断"),
    (r"coronal", "冠状断"),
    (r"sagittal", "矢状断"),
)
_GROUP = re.compile(r"\\(\d)|\{(\d)\}")


def in_language(lang: str, text: str) -> str:
    """A method, reason or description in a page's language; what is not known stays as it is."""
    return _japanese(text) if lang == "ja" else text


@cache
def _japanese(text: str) -> str:
    for pattern, template in _patterns():
        match = pattern.fullmatch(text)
        if match:
            return _filled(template, match).replace("（）", "")
    return text


def _filled(template: str, match: re.Match[str]) -> str:
    return _GROUP.sub(lambda group: match[int(group[1])] or "" if group[1] else _japanese(match[int(group[2])] or ""), template)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), template) for pattern, template in _JAPANESE)
