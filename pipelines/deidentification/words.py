"""What the report of a run says, in English and Japanese. A code without words is shown as it is, spaces for underscores."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "ja")

# why a file was refused: (English, Japanese)
_REASONS: dict[str, tuple[str, str]] = {
    "empty_file": ("The file holds no bytes.", "ファイルの内容が空です。"),
    "not_dicom": ("The file is not DICOM; only images are de-identified.", "DICOM ファイルではありません。画像のみを匿名化します。"),
    "not_a_file": ("A device, pipe or socket; it was not opened.", "デバイス・パイプ・ソケットのため開いていません。"),
    "link_not_followed": (
        "A symbolic link; links are never followed. Give the folder that holds the file itself.",
        "シンボリックリンクはたどりません。実ファイルのあるフォルダを指定してください。",
    ),
    "unreadable": ("The file or folder could not be read; look at its permissions.", "読み込めません。アクセス権を確認してください。"),
    "unparseable": (
        "The bytes cannot be understood well enough to prove that nothing identifies.",
        "構造を解釈できず、個人情報がないことを確認できません。",
    ),
    "truncated": ("Part of the image is missing, often after a broken transfer.", "画像の一部が欠けています（転送の中断など）。"),
    "too_large": ("Larger than can be handled safely.", "安全に処理できる大きさを超えています。"),
    "nested_too_deep": ("Sequences are nested deeper than any real image needs.", "シーケンスの入れ子が深すぎます。"),
    "missing_identity": (
        "A UID that says what the object is, or where it belongs, is missing.",
        "種類や所属を示す UID がありません。",
    ),
    "dicomdir": (
        "An index of a medium lists patients and is not an image; the files it refers to were looked at one by one.",
        "DICOMDIR は患者情報を含む目次であり画像ではありません。参照先のファイルは個別に処理しました。",
    ),
    "missing_from_media": (
        "A DICOMDIR refers to this file and it is not there; the medium may be incomplete.",
        "DICOMDIR が参照するファイルがありません。メディアが不完全な可能性があります。",
    ),
    "unknown_sop_class": ("A kind of object that the standard does not list.", "規格にない種類のオブジェクトです。"),
    "unsupported_sop_class": ("A kind of object that is not passed on.", "対象外の種類のオブジェクトです。"),
    "unknown_transfer_syntax": ("A way of encoding that the standard does not list.", "規格にない転送構文です。"),
    "encapsulated_document": (
        "A document inside DICOM, whose text cannot be vouched for.",
        "文書が埋め込まれており、内容を保証できません。",
    ),
    "structured_report": ("A report; its text is held back.", "レポートの文章は出力しません。"),
    "presentation_state": ("Annotations and graphics, which may hold text.", "注釈や図形に文字が含まれる可能性があります。"),
    "burned_in_text_risk": (
        "The pixels may show text about the patient (screens, scanned pages, some modalities).",
        "画素に患者情報の文字が写っている可能性があります（画面・スキャン画像など）。",
    ),
    "pixel_data_damaged": (
        "The compressed pixels are damaged, so nobody can say what they show.",
        "圧縮画素が壊れており、内容を確認できません。",
    ),
    "text_not_removed": (
        "Text in the pixels could not be removed with certainty.",
        "画素内の文字を確実に除去できませんでした。",
    ),
    "face_not_removed": (
        "The face could not be removed with the brain proven untouched, so the whole series is held back.",
        "脳を損なわずに顔を除去できることを確認できず、シリーズ全体を保留しました。",
    ),
    "not_written": ("The output could not be written.", "出力を書き込めませんでした。"),
    "archive_broken": ("A zip archive, or a file in one, that cannot be opened.", "zip を開けません。"),
    "archive_encrypted": ("A file in a zip archive needs a password.", "zip 内のファイルにパスワードが必要です。"),
    "archive_nested": ("A zip archive inside a zip archive; unpack it first.", "zip の中の zip です。先に展開してください。"),
    "archive_too_large": ("A zip archive that unpacks to far more than it weighs.", "展開後の大きさが異常な zip です。"),
    "crashed": (
        "Reading the file ended its process twice (a crash, memory, or no answer in an hour); everything else went on.",
        "処理中にプロセスが二度終了しました（異常終了・メモリ不足・無応答）。他のファイルは続行しました。",
    ),
    "internal_error": ("This software made a mistake on the file and held it back.", "ソフトウェアの不具合により保留しました。"),
}

# what the page says: (English, Japanese)
_WORDS: dict[str, tuple[str, str]] = {
    "title": ("De-identification report", "匿名化報告書"),
    "banner": (
        "Research software - look at samples before anything leaves the house",
        "研究用ソフトウェア・持ち出す前に必ず抜き取り確認をしてください",
    ),
    "files_in": ("files in", "入力ファイル"),
    "deidentified": ("de-identified", "匿名化済み"),
    "refused": ("refused", "除外"),
    "archives": ("archives opened", "展開した zip"),
    "studies": ("studies", "検査"),
    "series": ("series", "シリーズ"),
    "balance": ("files in = de-identified + refused", "入力 = 匿名化済み + 除外"),
    "all_passed": ("Nothing was refused.", "除外されたファイルはありません。"),
    "some_refused": (
        "{refused} of {files} files were refused and are not in the output. manifest.jsonl names each by its handle.",
        "{files} ファイル中 {refused} ファイルを除外しました。出力には含まれません。manifest.jsonl に一覧があります。",
    ),
    "nothing_came": ("No file was de-identified.", "匿名化されたファイルはありません。"),
    "what_refused": ("What was refused, and why", "除外したものと理由"),
    "reason": ("Reason", "理由"),
    "meaning": ("What it means", "説明"),
    "files": ("Files", "ファイル数"),
    "values": ("Values", "値の数"),
    "rules": ("Rules", "規則"),
    "profile": ("Profile", "プロファイル"),
    "codes": ("Codes in the output (0012,0064)", "出力のコード (0012,0064)"),
    "table": ("Table", "表"),
    "until": (", additions until {edition}", "、追加は {edition} まで"),
    "rules_sha256": ("Rules sha256", "規則 sha256"),
    "key": ("Key fingerprint", "鍵の指紋"),
    "software": ("Software", "ソフトウェア"),
    "vault": ("Way back kept in a vault", "復元用保管庫への記録"),
    "yes": ("yes", "あり"),
    "no": ("no", "なし"),
    "dates": ("Dates", "日付"),
    "dates_modified": ("shifted, each patient by a fixed number of days", "患者ごとに一定日数ずらしました"),
    "dates_unmodified": ("kept as they were", "そのまま残しました"),
    "dates_removed": ("removed or replaced", "削除または置換しました"),
    "pixels": ("Pixels", "画素"),
    "faces": ("Faces", "顔"),
    "faces_not_asked": ("The profile does not ask for faces to be removed.", "顔の除去は指定されていません。"),
    "not_examined": ("not searched for text", "文字の有無は未検査"),
    "no_text_expected": ("of a kind that carries no text, not searched", "文字のない種類のため未検査"),
    "no_text_found": ("searched, no text found", "検査済み・文字なし"),
    "text_blanked": ("text found and blanked", "文字を検出し消去"),
    "frames": ("frames", "フレーム"),
    "frames_examined": ("frames searched", "検査したフレーム"),
    "frames_blanked": ("frames with text", "文字のあったフレーム"),
    "boxes_blanked": ("places blanked", "消去した箇所"),
    "pixels_changed": ("pixels changed", "変更した画素"),
    "marks_kept": ("reader's marks kept", "残した計測印"),
    "applied": ("removed", "除去済み"),
    "not_needed": ("not needed", "不要"),
    "summary": ("What was done, in sum", "処理の合計"),
    "action": ("Action", "処理"),
    "attributes_top": ("Attribute by attribute", "属性ごとの処理"),
    "attributes_nested": ("Inside sequences", "シーケンス内の属性"),
    "attribute": ("Attribute", "属性"),
    "tag": ("Tag", "タグ"),
    "where": ("Where", "位置"),
    "because": ("Because", "根拠"),
    "private": ("private attributes", "プライベート属性"),
    "unknown": ("not in the dictionary", "辞書にない属性"),
    "more": ("{count} further rows are in report.json.", "ほか {count} 行は report.json にあります。"),
    "no_values": (
        "This page holds no value of any attribute, no name of a file and no clock reading.",
        "このページには属性値・ファイル名・時刻は含まれません。",
    ),
    # actions
    "removed": ("removed", "削除"),
    "emptied": ("emptied", "空に"),
    "dummied": ("replaced by a dummy", "ダミーに置換"),
    "pseudonym": ("replaced by a pseudonym", "仮名に置換"),
    "uid_mapped": ("UID mapped", "UID を変換"),
    "cleaned": ("cleaned", "清浄化"),
    "kept": ("kept", "保持"),
    "date_shifted": ("date shifted", "日付を移動"),
    "kept_time": ("time of day kept", "時刻を保持"),
}

# because of what: (English, Japanese); an option says its name
_BECAUSE: dict[str, tuple[str, str]] = {
    "profile": ("basic profile", "基本プロファイル"),
    "private": ("private attribute", "プライベート属性"),
    "not_of_a_data_set": ("not part of a data set", "データセットに属さない"),
    "curve_or_overlay": ("curve or overlay", "曲線・オーバーレイ"),
    "unlisted_bytes": ("not in the table: bytes", "表にないバイト列"),
    "unlisted_text": ("not in the table: text", "表にない文字列"),
    "unlisted_time": ("not in the table: time", "表にない日時"),
    "unlisted_uid": ("not in the table: UID", "表にない UID"),
    "unlisted": ("not in the table", "表にない属性"),
    "age_over_89": ("age over 89", "90 歳以上"),
    "content_item": ("item of a report", "レポートの項目"),
    "bytes_behind_the_last_pixel": ("bytes behind the last pixel", "画素末尾の余分なバイト"),
    "bits_outside_the_stored": ("bits that no pixel uses", "画素が使わないビット"),
    "text_in_the_codestream": ("text in compressed pixels", "圧縮画素内の文字列"),
    "pixels_out_of_place": ("pixels where none belong", "あるべきでない場所の画素"),
    "overlay_may_hold_text": ("overlay that may hold text", "文字を含みうるオーバーレイ"),
    "document_not_searched": ("document not searched", "検査できない文書"),
    "echo": ("repeats the patient", "患者情報の反復"),
    "undecodable": ("not readable as text", "文字として読めない値"),
    "invalid_value": ("not of the form of its VR", "VR の形式でない値"),
    "unexpected_vr": ("VR that the standard does not allow", "規格にない VR"),
    "unknown_attribute": ("unknown attribute", "未知の属性"),
    "group_length": ("group length", "グループ長"),
    "retain_full_dates": ("option: full dates", "オプション：日付保持"),
    "retain_modified_dates": ("option: modified dates", "オプション：日付移動"),
    "retain_patient_characteristics": ("option: patient characteristics", "オプション：患者特性"),
    "retain_device_identity": ("option: device identity", "オプション：装置"),
    "retain_uids": ("option: UIDs", "オプション：UID"),
    "retain_institution_identity": ("option: institution identity", "オプション：施設"),
    "retain_safe_private": ("option: safe private", "オプション：安全なプライベート属性"),
    "clean_descriptors": ("option: clean descriptors", "オプション：記述子の清浄化"),
    "clean_structured_content": ("option: clean structured content", "オプション：構造化内容の清浄化"),
    "clean_graphics": ("option: clean graphics", "オプション：図形の清浄化"),
}


def explanation(reason: str, lang: str) -> str:
    """One sentence about a reason code; the code itself where there is none."""
    pair = _REASONS.get(reason)
    return pair[LANGUAGES.index(lang)] if pair else readable(reason)


def because(code: str, lang: str) -> str:
    """Why an attribute was treated as it was, in a few words."""
    pair = _BECAUSE.get(code)
    return pair[LANGUAGES.index(lang)] if pair else readable(code)


def words(lang: str) -> dict[str, str]:
    """Every word of the page in one language of LANGUAGES."""
    return {key: pair[LANGUAGES.index(lang)] for key, pair in _WORDS.items()}


def word(known: Mapping[str, str], code: str) -> str:
    """The word of a code, or the code made readable."""
    return known.get(code) or readable(code)


def readable(code: str) -> str:
    """A code without underscores."""
    return code.replace("_", " ")
