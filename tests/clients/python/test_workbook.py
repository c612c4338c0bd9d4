#!/usr/bin/env python3
"""A workbook of `vigia template` in another program's hands: openpyxl finds the protection, the drop-downs and the hidden
sheet that a spreadsheet program obeys, fills it in and saves it, and Vigía takes it back.

    VIGIA_BIN=$PWD/target/debug/vigia python test_workbook.py
"""

import json
import subprocess
import unittest

import openpyxl

import client
from test_client import OBLIGATION, VIGIA, ClientTest, shifted


class WorkbookTest(unittest.TestCase):
    """On the server of test_client: the first report is overdue, and nothing has been sent."""

    setUpClass = classmethod(ClientTest.setUpClass.__func__)
    prepare = classmethod(ClientTest.prepare.__func__)

    def vigia_command(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs `vigia` as the institution's client."""
        who = ["--server", self.server.address, "--client", "clients/msp-1", "--key", str(self.key_path)]
        command = [VIGIA, *arguments, *who]
        return subprocess.run(command, env=shifted(self.server.shift), capture_output=True, text=True, timeout=120, cwd=self.directory)

    def template(self, name: str):
        """A new template, opened."""
        made = self.vigia_command("template", name)
        self.assertEqual(made.returncode, 0, made.stderr)
        return openpyxl.load_workbook(self.directory / name)

    def test_1_a_spreadsheet_finds_what_protects_the_keys(self):
        book = self.template("t1.xlsx")
        self.assertEqual(book.sheetnames, ["Instrucciones", "Reportes", "Indicadores", "Hitos", "Gastos", "_vigia"])
        self.assertEqual([sheet.sheet_state for sheet in book], ["visible"] * 5 + ["veryHidden"])
        for sheet in book:
            self.assertTrue(sheet.protection.sheet, sheet.title)
            self.assertIsNone(sheet.protection.password, sheet.title)
        for name, filled in (("Reportes", "IJK"), ("Indicadores", "HIJ"), ("Hitos", "G"), ("Gastos", "FG")):
            sheet = book[name]
            self.assertEqual(sheet.freeze_panes, "A2")
            for cell in sheet[1]:
                self.assertTrue(cell.protection.locked)
            for cell in sheet[2] if sheet.max_row > 1 else ():
                self.assertEqual(cell.protection.locked, cell.column_letter not in filled, cell.coordinate)
            for column in filled:
                self.assertIsNotNone(sheet[f"{column}1"].comment, f"{name} {column}")
        self.assertEqual(book["Reportes"]["I2"].number_format, "@")
        rules = {str(rule.sqref): rule for rule in book["Indicadores"].data_validations.dataValidation}
        self.assertEqual((rules["H2"].type, rules["I2"].type, rules["I2"].operator), ("decimal", "decimal", "greaterThan"))
        done = book["Hitos"].data_validations.dataValidation[0]
        self.assertEqual((done.type, done.formula1), ("list", '"sí,no"'))
        hidden = {(row[0].value, row[1].value) for row in book["_vigia"]}
        self.assertIn(("plan", "plans/ejemplo"), hidden)
        self.assertIn(("obligacion", OBLIGATION), hidden)

    def test_2_a_formula_is_not_taken(self):
        book = self.template("t2.xlsx")
        book["Indicadores"]["H2"] = "=40+50"
        book.save(self.directory / "t2.xlsx")
        refused = self.vigia_command("check", "t2.xlsx")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("Indicadores!H2: hay una fórmula", refused.stdout)

    def test_3_what_another_program_saves_is_taken(self):
        book = self.template("t3.xlsx")
        book["Reportes"]["I2"] = "-Dos talleres en Manabí"
        book["Reportes"]["K2"] = "MSP-2026-0012-O"
        book["Indicadores"]["H2"] = 90.1
        book.save(self.directory / "t3.xlsx")
        checked = self.vigia_command("check", "t3.xlsx")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        sent = json.loads(self.vigia_command("submit", "t3.xlsx", "-o", "json").stdout)
        self.assertEqual((sent["received"], sent["already_received"]), (1, 0), sent)
        again = json.loads(self.vigia_command("submit", "t3.xlsx", "-o", "json").stdout)
        self.assertEqual((again["received"], again["already_received"]), (0, 1), again)
        self.assertEqual(again["reports"][0]["receipt"], sent["reports"][0]["receipt"])
        messages, stubs = client.area("reporting", "report_service")
        stub = stubs.ReportServiceStub(self.server.channel)
        report = self.vigia.call(stub.GetReport, messages.GetReportRequest(name=f"{OBLIGATION}/reports/1")).report
        self.assertEqual((report.narrative, report.letter_number), ("-Dos talleres en Manabí", "MSP-2026-0012-O"))
        self.assertEqual(report.values[0].number.value, "90.1")
        result = openpyxl.load_workbook(self.directory / "t3.resultado.xlsx")["Resultado"]
        self.assertEqual([cell.value for cell in result[2]][:4], ["a1", "2026-Q1", "ya estaba", "1"])
        self.assertEqual(result["G2"].value, sent["reports"][0]["receipt"]["leaf_hash"])


# Its server is test_client's; the tests of that file are not run twice.
del ClientTest

if __name__ == "__main__":
    unittest.main()
