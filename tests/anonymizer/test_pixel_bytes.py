"""What rides along with pixels: bits no pixel uses, comments and segments of compressed frames, bytes behind their end."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from deid_factory import KEY, ct, decode, encode
from pydicom import dcmread, uid
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames

from anonymizer.codestreams import scrubbed
from anonymizer.deidentify import deidentify
from anonymizer.errors import InputRefusedError
from anonymizer.files import encoded
from anonymizer.receipt import Receipt

SECRET = b"Winterbourne^Ariadne"
COMPRESSED = ("J2KR", "J2KI", "JLSL", "JLSN", "JPLL", "JPLY", "RLE")


def cleaned(image: FileDataset) -> tuple[FileDataset, Receipt, bytes]:
    clean, receipt = deidentify(image, KEY)
    content = encoded(clean)
    return dcmread(BytesIO(content)), receipt, content


def reasons(receipt: Receipt) -> set[str]:
    return {line.reason for line in receipt.lines if line.path == "(7FE0,0010)"}


def words(values: np.ndarray, **changes: object) -> FileDataset:
    return decode(encode(ct(PixelData=values.astype("<u2").tobytes(), BitsStored=12, HighBit=11, **changes)))


def test_an_overlay_in_the_unused_bits_goes_and_the_pixels_stay() -> None:
    pixels = np.arange(16) * 200
    clean, receipt, _ = cleaned(words(pixels | 0x1000 * (np.arange(16) % 3)))
    assert np.array_equal(np.frombuffer(clean.PixelData, "<u2"), pixels)
    assert reasons(receipt) == {"bits_outside_the_stored"}


def test_the_sign_of_signed_pixels_is_no_overlay() -> None:
    numbers = np.arange(16, dtype="<i2") * 200 - 1600
    clean, receipt, _ = cleaned(words(numbers.view("<u2"), PixelRepresentation=1))
    assert clean.PixelData == numbers.tobytes()
    assert reasons(receipt) == set()
    unsigned_in_the_bits = numbers.view("<u2") & 0x0FFF | 0x5000
    clean, receipt, _ = cleaned(words(unsigned_in_the_bits, PixelRepresentation=1))
    assert clean.PixelData == numbers.tobytes()
    assert reasons(receipt) == {"bits_outside_the_stored"}


def test_padding_outside_the_stored_bits_stays_padding() -> None:
    pixels = np.array([0xF830, 17, 0xF830, 0x2011] * 4)
    clean, _, _ = cleaned(words(pixels, PixelPaddingValue=0xF830))
    assert np.frombuffer(clean.PixelData, "<u2").tolist() == [0xF830, 17, 0xF830, 0x11] * 4


def test_full_words_are_left_alone() -> None:
    image = decode(encode(ct(PixelData=bytes(range(32)))))
    assert cleaned(image)[0].PixelData == bytes(range(32))


def compressed(folder: Path, kind: str) -> FileDataset:
    return dcmread(next(iter(sorted((folder / "wg04_compressed").glob(f"*_{kind}")))))


def refilled(image: FileDataset, frame: bytes) -> FileDataset:
    image.PixelData = encapsulate([frame])
    image["PixelData"].is_undefined_length = True
    buffer = BytesIO()
    image.save_as(buffer)
    return dcmread(BytesIO(buffer.getvalue()))


def segment(marker: bytes, payload: bytes) -> bytes:
    return marker + struct.pack(">H", len(payload) + 2) + payload


def hidden_in(kind: str, frame: bytes) -> list[bytes]:
    """The same frame with a name in every place that shows nowhere."""
    frame = frame[:-1] if frame.endswith(b"\xff\xd9\x00") else frame
    if kind == "RLE":
        return [frame + SECRET]
    if kind.startswith("J2K"):
        main = frame.index(b"\xff\x52")  # before the coding style
        return [frame + SECRET, frame[:main] + segment(b"\xff\x64", b"\0\1" + SECRET) + frame[main:], jp2(frame)]
    places = [
        frame[:2] + segment(marker, SECRET) + frame[2:] for marker in (b"\xff\xfe", b"\xff\xe1", b"\xff\xe0", b"\xff\xee", b"\xff\xe8")
    ]
    thumbnail = b"JFIF\0\1\2\0\0\1\0\1\0\0" + SECRET
    return [frame + SECRET, *places, frame[:2] + segment(b"\xff\xe0", thumbnail) + frame[2:]]


def jp2(stream: bytes) -> bytes:
    def box(kind: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload) + 8) + kind + payload

    rows, columns = struct.unpack_from(">II", stream, 8)[::-1]
    depth = stream[42]
    header = box(b"ihdr", struct.pack(">IIHBBBB", rows, columns, 1, depth, 7, 0, 0)) + box(b"colr", b"\1\0\0" + struct.pack(">I", 17))
    start = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", header)
    return start + box(b"xml ", b"<name>" + SECRET + b"</name>") + box(b"jp2c", stream) + box(b"uuid", bytes(16) + SECRET)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_nothing_hides_in_a_compressed_frame_and_it_decodes_the_same(kind: str, shared_data: Path) -> None:
    image = compressed(shared_data, kind)
    pixels = decoded(image)
    frame = next(generate_frames(image.PixelData, number_of_frames=1))
    clean, _, _ = cleaned(dcmread(BytesIO(saved(image))))
    assert np.array_equal(decoded(clean), pixels)
    for stuffed in hidden_in(kind, frame):
        clean, receipt, content = cleaned(refilled(image, stuffed + b"\0" * (len(stuffed) % 2)))
        assert SECRET not in content
        assert reasons(receipt) == {"text_in_the_codestream"}
        if not stuffed.startswith(b"\x00\x00\x00\x0cjP"):
            assert np.array_equal(decoded(clean), pixels)


def decoded(image: FileDataset) -> np.ndarray:
    """The pixels; for 12-bit lossy JPEG, which nothing here decodes, its scan."""
    if image.file_meta.TransferSyntaxUID != uid.JPEGExtended12Bit:
        return image.pixel_array
    frame = next(generate_frames(image.PixelData, number_of_frames=1))
    return np.frombuffer(frame[frame.index(b"\xff\xda") : frame.index(b"\xff\xd9")], "u1")


def saved(image: FileDataset) -> bytes:
    buffer = BytesIO()
    image.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("damage", [b"\xff\xd8\xff", b"\x00\x00\x01\xb3MPEG", b"\xff\x4f\xff\x51\x00", SECRET])
def test_a_frame_that_cannot_be_walked_is_refused(damage: bytes) -> None:
    with pytest.raises(InputRefusedError) as refusal:
        scrubbed(encapsulate([damage + b"\0" * (len(damage) % 2)]), 1, 16)
    assert refusal.value.reason == "pixel_data_damaged"


def test_a_false_offset_table_is_refused() -> None:
    frame = b"\xff\xd8\xff\xd9"
    good = encapsulate([frame, frame], has_bot=True)
    assert scrubbed(good, 2, 16) is good
    with pytest.raises(InputRefusedError):
        scrubbed(good.replace(struct.pack("<II", 0, 12), b"JohnDoe!"), 2, 16)


def test_several_fragments_a_frame_are_walked_as_one() -> None:
    frame = b"\xff\xd8" + segment(b"\xff\xfe", SECRET) + b"\xff\xd9"
    value = encapsulate([frame, frame], fragments_per_frame=3, has_bot=True)
    plain = scrubbed(value, 2, 16)
    assert len(plain) == len(value)
    assert plain[:16] == value[:16]
    assert not any(part in plain for part in (b"Winter", b"bourne", b"Ariadne"))
    assert scrubbed(encapsulate([frame, frame], fragments_per_frame=3, has_bot=False), 2, 16)[8:] == plain[16:]


def test_a_transfer_syntax_the_frames_do_not_have_is_refused_in_the_file() -> None:
    image = ct()
    image.PixelData = encapsulate([SECRET])
    image["PixelData"].is_undefined_length = True
    content = encode(image, uid.JPEGBaseline8Bit)
    with pytest.raises(InputRefusedError):
        deidentify(decode(content), KEY)
