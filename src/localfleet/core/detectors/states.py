"""
Numbers that states give to people, for countries beyond those in `national`: checksums by python-stdnum.

Where a checksum lets one number in ten or twenty through, the number needs its word nearby.
"""

import re
from collections.abc import Callable

from stdnum.ar import cuit
from stdnum.at import vnr
from stdnum.bg import egn
from stdnum.ch import ssn
from stdnum.cl import rut
from stdnum.co import nit
from stdnum.cr import cpf
from stdnum.cz import rc
from stdnum.do import cedula
from stdnum.ec import ci
from stdnum.ee import ik
from stdnum.gr import amka
from stdnum.hr import oib
from stdnum.id import nik
from stdnum.ie import pps
from stdnum.is_ import kennitala
from stdnum.mu import nid
from stdnum.my import nric
from stdnum.nz import ird
from stdnum.pe import cui
from stdnum.pk import cnic
from stdnum.ro import cnp
from stdnum.ru import inn
from stdnum.si import emso
from stdnum.th import pin
from stdnum.ua import rntrc
from stdnum.ve import rif

from localfleet.core.detectors.row import Row

__all__ = ["ROWS"]

_START = r"(?<![A-Za-z0-9_.\-])"
_END = r"(?![A-Za-z0-9_]|[.\-][0-9])"


def _row(kind: str, is_valid: Callable[[str], bool], body: str, *words: str) -> Row:
    """A row for one country: its number's shape, its checksum, and the words of which one must be near."""
    near = re.compile("(?<![^\\W_])(?:" + "|".join(words) + ")") if words else None
    needles = tuple(word.replace("\\", "") for word in words)
    return Row(kind=kind, needs=needles, pattern=re.compile(f"{_START}(?:{body}){_END}"), near=near, accept=is_valid)


ROWS = (
    _row("at_svnr", vnr.is_valid, r"[1-9][0-9]{3}[ \-]?[0-9]{6}", "svnr", "sozialversicherung", "versicherungsnummer"),
    _row("bg_egn", egn.is_valid, r"[0-9]{10}", "egn", "егн", "единен граждански"),
    _row("ch_ahv", ssn.is_valid, r"756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}"),
    _row("cl_rut", rut.is_valid, r"[0-9]{1,2}\.?[0-9]{3}\.?[0-9]{3}-[0-9Kk]"),
    _row("cz_rc", rc.is_valid, r"[0-9]{6}/?[0-9]{3,4}", "rodné číslo", "rodne cislo", "rodné č", "birth number"),
    _row("ec_ci", ci.is_valid, r"[0-9]{9}-?[0-9]", "cédula", "cedula", "ecuador"),
    _row("ee_ik", ik.is_valid, r"[1-6][0-9]{10}", "isikukood", "personal code", "asmens kodas"),
    _row("gr_amka", amka.is_valid, r"[0-9]{11}", "amka", "αμκα"),
    _row("hr_oib", oib.is_valid, r"[0-9]{11}", "oib", "osobni identifikacijski"),
    _row("ie_pps", pps.is_valid, r"[0-9]{7}[A-W][A-IW]?", "pps", "personal public service"),
    _row("is_kennitala", kennitala.is_valid, r"[0-7][0-9]{5}-?[0-9]{4}", "kennitala", r"kt\."),
    _row("my_nric", nric.is_valid, r"[0-9]{6}-[0-9]{2}-[0-9]{4}"),
    _row("nz_ird", ird.is_valid, r"[0-9]{2,3}[ \-]?[0-9]{3}[ \-]?[0-9]{3}", "ird", "inland revenue"),
    _row("ro_cnp", cnp.is_valid, r"[1-9][0-9]{12}"),
    _row("rs_emso", emso.is_valid, r"[0-3][0-9][01][0-9]{10}"),
    _row("th_id", pin.is_valid, r"[1-8]-?[0-9]{4}-?[0-9]{5}-?[0-9]{2}-?[0-9]", "thai", "เลขประจำตัว", "บัตรประชาชน"),
    _row("ua_rntrc", rntrc.is_valid, r"[0-9]{10}", "рнокпп", "rntrc", "іпн", "ukrain"),
    _row("ar_cuit", cuit.is_valid, r"(?:20|23|24|27)-?[0-9]{8}-?[0-9]", "cuit", "cuil"),
    _row("co_nit", nit.is_valid, r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-[0-9]", "nit", "colombia"),
    _row("do_cedula", cedula.is_valid, r"[0-9]{3}-?[0-9]{7}-?[0-9]", "cédula", "cedula"),
    _row("id_nik", nik.is_valid, r"[0-9]{16}", "nik", "ktp", "nomor induk"),
    _row("ru_inn", inn.is_valid, r"[0-9]{12}", "инн", "inn"),
    _row("pk_cnic", cnic.is_valid, r"[1-9][0-9]{4}-[0-9]{7}-[0-9]"),
    _row("mu_nid", nid.is_valid, r"[A-Z][0-9]{12}[0-9A-Z]"),
    _row("pe_cui", cui.is_valid, r"[0-9]{8}-?[0-9A-K]", "dni", "cui", "documento nacional"),
    _row("ve_rif", rif.is_valid, r"[VE]-?[0-9]{8}-?[0-9]", "rif", "venezuela"),
    _row("cr_cedula", cpf.is_valid, r"[0-9]-?[0-9]{4}-?[0-9]{4}", "cédula", "cedula", "costa rica"),
)
