#!/usr/bin/env python3
"""Makes the workbooks that the tests of the import read. Run it in this folder; its output is committed."""
import random
import zipfile
import zlib

NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def workbook(name, rows, strings, date1904=False, sheet_state="", compressor=None):
    since = ' date1904="1"' if date1904 else ""
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{RELS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {NS} xmlns:r="{RELS}"><workbookPr{since}/>'
        f'<sheets><sheet name="Notes" sheetId="2" state="hidden" r:id="rId2"/>'
        f'<sheet name="Leads" sheetId="1"{sheet_state} r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{RELS}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{RELS}/worksheet" Target="worksheets/sheet2.xml"/>'
        f'<Relationship Id="rId3" Type="{RELS}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId4" Type="{RELS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet {NS}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<sst {NS}>' + "".join(f"<si><t>{s}</t></si>" for s in strings) + "</sst>",
        "xl/worksheets/sheet1.xml": f'<worksheet {NS}><sheetData>{rows}</sheetData></worksheet>',
        "xl/worksheets/sheet2.xml": f'<worksheet {NS}><sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData></worksheet>',
    }
    if compressor:
        zipfile._get_compressor = lambda kind, level=None: compressor() if kind == zipfile.ZIP_DEFLATED else None
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as out:
        for path, text in parts.items():
            info = zipfile.ZipInfo(path, (2025, 8, 17, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if path == "_rels/.rels" else zipfile.ZIP_DEFLATED
            out.writestr(info, text)
    with zipfile.ZipFile(name) as made:
        print(name, sum(entry.file_size for entry in made.infolist()))


def row(number, *cells):
    text = ""
    for column, cell in zip("ABCDEFGH", cells):
        if cell is None:
            continue
        kind, value = cell
        style = ' s="1"' if kind == "date" else ""
        of = {"text": ' t="s"', "error": ' t="e"', "inline": ' t="inlineStr"'}.get(kind, "")
        body = f"<is><t>{value}</t></is>" if kind == "inline" else f"<v>{value}</v>"
        text += f'<c r="{column}{number}"{style}{of}>{body}</c>'
    return f'<row r="{number}">{text}</row>'


STRINGS = ["Customer Name", "Mobile No", "State", "EMI Amount", "Due Date", "Branch", "Asha Rao", "कमला देवी", "Karnataka", "KA", "17/08/2025"]
TEXT, NUMBER, DATE = "text", "number", "date"


def leads(due):
    return (
        row(1, *[(TEXT, n) for n in range(6)])
        + row(2, (TEXT, 6), (NUMBER, 9876543210), (TEXT, 8), (NUMBER, "12500.5"), (DATE, due), (NUMBER, 42))
        + row(4, (TEXT, 7), (NUMBER, "9.876543211E9"), (TEXT, 9), (NUMBER, 900), (TEXT, 10), None)
        + row(5, (TEXT, 6), (NUMBER, 12345), (TEXT, 8), (NUMBER, 1), (DATE, due), None)
        + row(6, (TEXT, 6), ("error", "#REF!"), (TEXT, 8), (NUMBER, 1), (DATE, due), None)
        + row(1048576, ("inline", "Last"), (NUMBER, 9876543212), None, None, None, None)
    )


def fixed():
    return zlib.compressobj(9, zlib.DEFLATED, -15, 8, zlib.Z_FIXED)


def stored():
    return zlib.compressobj(0, zlib.DEFLATED, -15)


workbook("leads.xlsx", leads(45886), STRINGS)
workbook("leads-1904.xlsx", leads(44424), STRINGS, date1904=True)
workbook("fixed.xlsx", leads(45886), STRINGS, compressor=fixed)
workbook("stored.xlsx", leads(45886), STRINGS, compressor=stored)
# Nothing but repetition: 6 MB in a few KB.
default = lambda: zlib.compressobj(9, zlib.DEFLATED, -15)
workbook("bomb.xlsx", leads(45886), ["a" * 6_000_000], compressor=default)
# A cell that names a string that is not there: the reader underneath panics.
workbook("no-such-string.xlsx", row(1, (TEXT, 99)), STRINGS, compressor=default)
# Many different words: long dynamic codes and far distances.
random.seed(4)
words = [" ".join(str(random.random()) for _ in range(8)) for _ in range(150)]
workbook("wide.xlsx", leads(45886), STRINGS + words + words, compressor=default)
