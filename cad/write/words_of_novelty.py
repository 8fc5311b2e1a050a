"""Words for how unlike the training data a scan is, for methods of calibration, and for prevalence. key: (English, Japanese)."""

from __future__ import annotations

NOVELTY: dict[str, tuple[str, str]] = {
    "family": ("Respect", "観点"),
    "protocol": ("protocol", "撮像条件"),
    "anatomy": ("anatomy in view", "撮像範囲の解剖"),
    "intensity": ("intensities", "濃度"),
    "noise": ("noise", "ノイズ"),
    "network": ("network features", "ネットワーク特徴"),
    "stands_out": ("What stands out (98 % of training scans)", "特異な点（学習データの98 %範囲）"),
    "only_together": ("unusual only in combination", "組み合わせとして異質"),
    "unlikeness": ("Distance (95 % of training scans: at most 1)", "距離（学習データの95 %は1以下）"),
    "false_alarms": (
        "Levels were set on %d held-out scans: at most %.0f %% of scans like those are called unusual or worse, %.1f %% unlike.",
        "判定基準は別の%d検査で設定：同様の検査が異質以上と判定されるのは最大%.0f %%、「学習データと異質」は最大%.1f %%。",
    ),
    "not_set": ("Levels were not calibrated: no false alarm rate is known.", "判定基準は未較正：誤警報率は不明です。"),
    "slice_spacing_mm": ("slice spacing, mm", "スライス間隔 mm"),
    "in_plane_mm": ("pixel spacing, mm", "画素間隔 mm"),
    "organ_height_mm": ("height of the organ in view, mm", "臓器の撮像高 mm"),
    "organ_litres": ("volume of the organ in view, l", "臓器の撮像体積 L"),
    "lowest_share": ("width of the organ at its lower end", "臓器下端の広がり"),
    "highest_share": ("width of the organ at its upper end", "臓器上端の広がり"),
    "far_above_permille": ("voxels far above the window (metal), ‰", "ウィンドウを大きく超える画素（金属等）‰"),
    "far_below_permille": ("voxels far below the window (streaks), ‰", "ウィンドウを大きく下回る画素（アーチファクト等）‰"),
    "grain": ("texture of the noise", "ノイズの粒状性"),
    "jump": ("largest jump between slices", "スライス間の最大変化"),
    "prevalence": ("Lesions in % of scans: calibrated at / stated here", "病変を含む検査の割合：較正時 / 当施設の申告"),
    "prevalence_note": (
        "Where lesions are rarer than in the calibration scans, unadjusted confidences are too high.",
        "病変の頻度が較正データより低い施設では、未調整の確信度は高すぎます。",
    ),
    "temperature": ("temperature scaling", "温度スケーリング"),
    "platt": ("Platt scaling", "Plattスケーリング"),
    "beta": ("beta calibration", "ベータ較正"),
    "isotonic": ("isotonic regression", "単調回帰"),
    "constant": ("constant", "定数"),
    "not_stated": ("not stated", "申告なし"),
} | {
    f"{place}_p{p:02d}": (f"{en}, {p}th percentile (window)", f"{ja} {p}パーセンタイル（ウィンドウ比）")
    for place, en, ja in (("organ", "organ", "臓器内"), ("around", "around the organ", "臓器周囲"))
    for p in (5, 25, 50, 75, 95)
}
