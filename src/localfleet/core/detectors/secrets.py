"""
Credentials that their provider gave a recognisable shape: a prefix, a length, an alphabet.

Formats are the ones that the providers document or that their own tools print. A token must carry real entropy, so the
`sk-xxxx` of a manual does not count. What has no shape of its own is the business of `assigned`.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable

from localfleet.core.detectors.guess import entropy_bits, placeholder, real_token, shuffled
from localfleet.core.detectors.row import Row

__all__ = ["LAST_ROWS", "TEXT_ROWS", "TOKEN_ROWS"]

_LEFT = r"(?<![A-Za-z0-9])"
_RIGHT = r"(?![A-Za-z0-9])"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def _format(kind: str, needs: str | tuple[str, ...], body: str, accept: Callable[[str], bool] = real_token) -> Row:
    """A row for a token that starts and ends at a word's edge; `needs` is its prefix in lower case."""
    needles = (needs,) if isinstance(needs, str) else needs
    return Row(kind=kind, needs=needles, pattern=re.compile(f"{_LEFT}(?:{body}){_RIGHT}"), accept=accept)


def _always(_token: str) -> bool:
    """Its length and prefix leave no doubt."""
    return True


def _is_jwt(token: str) -> bool:
    """Whether the first part decodes to a JSON object that names an algorithm (RFC 7515), or the next begins as one."""
    header, _, rest = token.partition(".")
    if rest.startswith("eyJ") and len(rest) > 40:
        return True
    try:
        value = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "alg" in value


def _is_key_block(body: str) -> bool:
    """Whether a private key's body is more than an illustration: 40 characters of material, escapes and all."""
    return len(body) >= 40 and "..." not in body and entropy_bits(body) >= 3.5


def _is_vault_legacy(token: str) -> bool:
    """Whether `s.` is followed by capitals, small letters and digits: a Vault token and not a method's name."""
    body = token[2:]
    return body.lower() != body != body.upper() and any(char.isdigit() for char in body) and real_token(body)


def _is_url_password(value: str) -> bool:
    """Whether `password@host` holds a real password; the host is part of it so that it is not read as an e-mail's."""
    return _is_password(value.rpartition("@")[0])


def _is_password(value: str) -> bool:
    return len(value) >= 3 and not placeholder(value) and value.lower() not in {"guest", "minioadmin", "default"}


def _is_slack(token: str) -> bool:
    """Whether letters follow the prefix; digits alone are only the workspace's number."""
    return real_token(token) and any(char.isalpha() for char in token[5:])


_KEY_BLOCK = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----(?P<v>[^\-]{1,6000})")
_PUTTY = re.compile(r"PuTTY-User-Key-File-[23]: [^\n]{1,80}\n(?P<v>[^\0]{40,400})")
_RANDOM = re.compile(r"[A-Za-z0-9](?<![A-Za-z0-9_.\-/+=&?%:#~@].)[A-Za-z0-9_\-]{23,127}(?![A-Za-z0-9_\-/+(~]|\.\S)")
_URL_PASSWORD = re.compile(r"://[^\s:@/?#\"'<>]{0,64}:(?P<v>[^\s@/\"'<>]{3,128}@[A-Za-z0-9\[_][A-Za-z0-9.\-]{0,200})")
_SERVICE_ACCOUNT = re.compile(
    r"\"type\"\s{0,4}:\s{0,4}\"service_account\"(?=[^\0]{0,400}\"(?:private_key|client_email))"
)

_CLOUD = (
    _format("aws_key", ("akia", "asia", "abia", "acca"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    _format("aws_key", "bedrock-api-key-", r"bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/=]{0,4000}"),
    _format("aws_key", "absk", r"ABSK[A-Za-z0-9+/]{100,200}={0,2}"),
    _format("gcp_key", "aiza", r"AIza[A-Za-z0-9_\-]{35}(?![_\-])"),
    _format("gcp_key", "gocspx-", r"GOCSPX-[A-Za-z0-9_\-]{28}"),
    _format("gcp_key", "ya29.", r"ya29\.[A-Za-z0-9_\-]{20,2000}"),
    Row(
        kind="azure_key",
        needs=("q~",),
        pattern=re.compile(
            r"[0-9]Q~(?<=[A-Za-z0-9_~.]{3}.Q~)(?<![A-Za-z0-9_~.\-].{3}.Q~)"
            r"(?P<v>[A-Za-z0-9_~.\-]{31,34})(?![A-Za-z0-9_~.\-])"
        ),
        accept=real_token,
    ),
    Row(
        kind="azure_key",
        needs=("accountkey=", "accesskey="),
        pattern=re.compile(r"(?:accountkey|sharedaccesskey|accesskey)=(?P<v>[a-z0-9+/]{40,90}={0,2})"),
        lowered=True,
        accept=real_token,
    ),
    Row(
        kind="azure_key",
        needs=("sig=",),
        pattern=re.compile(r"[?&]sig=(?P<v>[A-Za-z0-9%/+]{40,70}(?:=|%3[dD]))"),
        accept=real_token,
    ),
    _format("provider_token", "ltai", r"LTAI[A-Za-z0-9]{16,24}"),
    _format("provider_token", "v1.0-", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}"),
    _format("provider_token", ("doo_v1_", "dop_v1_", "dor_v1_"), r"do[opr]_v1_[0-9a-f]{64}"),
    _format("provider_token", "aqvn", r"AQVN[A-Za-z0-9_\-]{35,38}"),
    _format("provider_token", "t1.", r"t1\.[A-Z0-9a-z_\-]{8,200}={0,2}\.[A-Za-z0-9_\-]{60,120}={0,2}"),
    _format(
        "provider_token",
        ("hrku-", "hvs.", "hvb.", "hvr."),
        r"HRKU-[A-Za-z0-9_\-]{36,80}|hv[sbr]\.[A-Za-z0-9_\-]{24,300}",
    ),
    _format("provider_token", "s.", r"s\.[A-Za-z0-9]{24}", _is_vault_legacy),
    _format("provider_token", "fo1_", r"fo1_[\w\-]{43}"),
    _format("provider_token", ("fm1", "fm2_"), r"fm[12][ar]?_[A-Za-z0-9+/]{100,4000}={0,3}"),
)
_FORGES = (
    _format("github_token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _format("github_token", "github_pat_", r"github_pat_[A-Za-z0-9_]{36,255}"),
    _format(
        "gitlab_token",
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "gloas-", "glffct-", "glsoat-"),
        r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|ffct|soat)-[A-Za-z0-9_.\-]{20,300}",
    ),
    _format("gitlab_token", "gr1348941", r"GR1348941[A-Za-z0-9_\-]{20}"),
    _format("gitlab_token", "_gitlab_session=", r"_gitlab_session=[0-9a-z]{32}"),
    _format("provider_token", ("npm_", "dckr_"), r"npm_[A-Za-z0-9]{36}|dckr_[a-z]{3}_[A-Za-z0-9_\-]{27,40}"),
    _format("provider_token", "pypi-", r"pypi-[A-Za-z0-9_\-]{50,1000}"),
    _format("provider_token", ("rubygems_", "clojars_"), r"rubygems_[0-9a-f]{48}|(?i:clojars_)[a-z0-9]{60}"),
    _format("provider_token", ("akcp", "cmvmd"), r"AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59}"),
    _format("provider_token", ("atatt3", "atctt3", "atbb"), r"AT[AC]TT3[A-Za-z0-9_\-=]{60,300}|ATBB[A-Za-z0-9]{24,32}"),
    _format("provider_token", "pul-", r"pul-[0-9a-f]{40}"),
    _format("provider_token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=\-]{60,70}"),
    _format("provider_token", "api-", r"API-[A-Z0-9]{25,27}"),
    _format("provider_token", ("sqp_", "squ_", "sqa_", "sgp_"), r"sq[pua]_[0-9a-f]{40}|sgp_[0-9a-f_]{40,70}"),
    _format("provider_token", "sha256~", r"sha256~[A-Za-z0-9_\-]{43}"),
)
_CHAT = (
    _format(
        "slack_token",
        "xox",
        r"xox[abposr]-(?:2-)?[0-9]{6,14}-[A-Za-z0-9\-]{10,200}|xox[ar]-(?:[0-9]-)?[0-9a-zA-Z]{8,48}",
        _is_slack,
    ),
    _format(
        "slack_token", "xoxe", r"xoxe(?:\.xox[bp])?-[0-9]-[A-Za-z0-9]{100,300}|xoxe(?:-[0-9]{6,14}){3}-[0-9a-f]{32}"
    ),
    _format("slack_token", "xapp-", r"(?i:xapp)-[0-9]-[A-Za-z0-9]{6,20}-[0-9]{8,16}-[A-Za-z0-9]{16,100}"),
    _format(
        "slack_token", "hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{30,80}"
    ),
    _format(
        "provider_token",
        "webhook.office.com/",
        r"[a-z0-9]{1,40}\.webhook\.office\.com/webhookb2/[A-Za-z0-9@/\-]{60,250}",
    ),
    _format("provider_token", ":aa", r"[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}"),
    _format(
        "provider_token", ".", r"[MNO](?<![A-Za-z0-9].)[A-Za-z0-9_\-]{23,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,38}"
    ),
    _format(
        "provider_token", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_\-]{60,80}"
    ),
    _format("provider_token", "sg.", r"SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}"),
    _format("provider_token", ("key-", "sk"), r"key-[0-9a-f]{32}|SK[0-9a-f]{32}"),
    _format("provider_token", "-us", r"[0-9a-f]{32}-us[0-9]{1,2}"),
    _format("provider_token", "xkeysib-", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
)
_MONEY = (
    _format(
        "stripe_key",
        ("sk_live", "sk_test", "rk_live", "rk_test", "sk_prod", "rk_prod"),
        r"[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,120}",
    ),
    _format("stripe_key", "whsec_", r"whsec_[A-Za-z0-9+/]{24,80}={0,2}"),
    _format("provider_token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _format("provider_token", ("sq0", "eaaa"), r"sq0(?:atp|csp|idp)-[A-Za-z0-9_\-]{22,43}|EAAA[A-Za-z0-9_\-]{60}"),
    _format("provider_token", "flwseck", r"FLWSECK(?:_TEST)?-[0-9a-h]{12,32}(?:-X)?"),
    _format("provider_token", ("ezak", "eztk"), r"EZ[AT]K[A-Za-z0-9]{54}"),
    _format("provider_token", "shippo_", r"shippo_(?:live|test)_[0-9a-fA-F]{40}"),
    _format(
        "provider_token",
        "access-",
        r"access-(?:sandbox|development|production)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ),
    _format("provider_token", "rzp_", r"rzp_(?:live|test)_[A-Za-z0-9]{14,24}"),
    _format(
        "provider_token",
        ("duffel_", "live_", "test_"),
        r"duffel_(?:live|test)_[A-Za-z0-9_=\-]{43}|(?:live|test)_[0-9a-f]{35}",
    ),
)
_MODELS = (
    _format("ai_key", "sk-", r"sk-(?:proj|svcacct|admin|None|or-v1|lf)-[A-Za-z0-9_\-]{20,250}|sk-[A-Za-z0-9]{20,64}"),
    _format("ai_key", "sk-ant-", r"sk-ant-[a-z0-9]{3,10}-[A-Za-z0-9_\-]{80,120}"),
    _format("ai_key", ("hf_", "api_org_"), r"hf_[A-Za-z0-9]{30,40}|api_org_[A-Za-z0-9]{30,40}"),
    _format("ai_key", "pplx-", r"pplx-[A-Za-z0-9]{40,60}"),
    _format("ai_key", ("gsk_", "r8_"), r"gsk_[A-Za-z0-9]{40,60}|r8_[A-Za-z0-9]{37}"),
    _format("ai_key", ("xai-", "nvapi-"), r"xai-[A-Za-z0-9]{60,90}|nvapi-[A-Za-z0-9_\-]{60,80}"),
    _format("ai_key", "tgp_v1_", r"tgp_v1_[A-Za-z0-9_\-]{40,50}"),
)
_SERVICES = (
    _format("provider_token", ("lin_api_", "lin_oauth_"), r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"),
    _format("provider_token", ("ntn_", "secret_"), r"ntn_[0-9]{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43}"),
    _format("provider_token", "dapi", r"dapi[0-9a-f]{32}(?:-[0-9])?"),
    _format("provider_token", "dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.\-]{40,70}"),
    _format("provider_token", "dt0", r"(?i:dt0[a-z][0-9]{2}\.[a-z0-9]{24}\.[a-z0-9]{64})"),
    _format(
        "provider_token", ("glsa_", "glc_"), r"glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}|glc_[A-Za-z0-9+/]{32,400}={0,2}"
    ),
    _format("provider_token", "pmak-", r"PMAK-[0-9a-fA-F]{24}-[0-9a-fA-F]{34}"),
    _format("provider_token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9=_.\-]{32,64}"),
    _format("provider_token", "s-s4t2", r"s-s4t2(?:ud|af)-[0-9a-f]{64}"),
    _format("provider_token", "rdme_", r"rdme_[a-z0-9]{70}"),
    _format("provider_token", ("sntrys_", "sntryu_"), r"sntryu_[0-9a-f]{64}|sntrys_[A-Za-z0-9+/=_]{80,400}"),
    _format("provider_token", ("sm_aat_", "sm_pat_", "sm_sat_"), r"sm_[aps]at_[A-Za-z0-9]{16}"),
    _format("provider_token", "pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _format("provider_token", "dnkey-", r"dnkey-[a-z0-9=_\-]{26}-[a-z0-9=_\-]{52}"),
    _format("provider_token", "age-secret-key-", r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}", _always),
    _format("provider_token", "eaa", r"EAA[A-Za-z0-9]{80,300}"),
    _format("provider_token", ("nrak-", "nrii-"), r"NRAK-[A-Z0-9]{27}|NRII-[A-Za-z0-9_\-]{32}"),
    _format(
        "provider_token",
        ("figd_", "sbp_", "nfp_", "tfp_", "pnu_", "bkua_"),
        r"figd_[A-Za-z0-9_\-]{40,50}|sbp_[0-9a-f]{40}|nfp_[A-Za-z0-9]{36,40}|tfp_[A-Za-z0-9_.\-]{40,60}|pnu_[A-Za-z0-9]{36}|bkua_[0-9a-f]{40}",
    ),
    _format(
        "provider_token",
        ("tskey-", "aio_", "phx_", "cfpat-"),
        r"tskey-[a-z]{2,10}-[A-Za-z0-9\-]{20,60}|aio_[A-Za-z0-9]{28}|phx_[A-Za-z0-9]{40,50}|CFPAT-[A-Za-z0-9_\-]{43}",
    ),
    _format(
        "provider_token",
        ("ops_eyj", "sk.eyj", "sl."),
        r"ops_eyJ[A-Za-z0-9+/]{200,2000}={0,3}|sk\.eyJ[A-Za-z0-9]{60,120}\.[A-Za-z0-9_\-]{20,30}|sl\.[A-Za-z0-9_\-]{130,200}",
    ),
)
# Words that only a credential begins with: `prefix`, then what follows, as the providers print it.
_PREFIXED = (
    ("asana", ("1/", "2/"), r"[12]/[0-9]{12,20}(?:/[0-9]{12,20})?:[0-9a-f]{32}"),
    ("clickup, klaviyo", ("pk_",), r"pk_[0-9]{6,9}_[A-Z0-9]{32}|pk_[0-9a-f]{34}"),
    ("hubspot, launchdarkly", ("pat-", "sdk-", "mob-", "api-"), r"(?:pat-[a-z]{2}[0-9]|sdk|mob|api)-" + _UUID),
    ("apify, jina, tavily", ("apify_", "jina_", "tvly-"), r"apify_api_\w{30,50}|jina_\w{50,70}|tvly-[\w\-]{20,50}"),
    ("zapier, ifttt", ("hooks.zapier.com",), r"hooks\.zapier\.com/hooks/catch/[0-9]{4,12}/[a-z0-9]{5,12}"),
    ("circleci, trello", ("ccipat_", "atta"), r"CCIPAT_[A-Za-z0-9]{22}_[0-9a-f]{40}|ATTA[0-9a-f]{64}[0-9A-F]{8}"),
    ("resend, runpod", ("re_", "rpa_"), r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}|rpa_[A-Za-z0-9]{40,50}"),
    ("pinecone, e2b", ("pcsk_", "e2b_"), r"pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50,70}|e2b_[0-9a-f]{40}"),
    ("langsmith, wakatime", ("lsv2_", "waka_"), r"lsv2_[ps][kt]_[0-9a-f]{32}_[0-9a-f]{10}|waka_" + _UUID),
    ("cerebras, firecrawl", ("csk-", "fc-"), r"csk-[a-z0-9]{40,60}|fc-[0-9a-f]{32}"),
    ("voyage, fireworks", ("pa-", "fw_"), r"pa-[\w\-]{43}|fw_[A-Za-z0-9]{22,30}"),
    ("supabase, neon", ("sb_secret_", "napi_"), r"sb_secret_[\w\-]{20,60}|napi_[a-z0-9]{60,70}"),
    ("elevenlabs, cal", ("sk_", "cal_"), r"sk_[0-9a-f]{48}|cal_(?:live_)?[0-9a-f]{32}"),
    ("scaleway, tencent", ("scw", "akid"), r"SCW[A-Z0-9]{17}|AKID[A-Za-z0-9]{32}"),
    ("gocardless, ory", ("live_", "ory_"), r"live_[A-Za-z0-9_\-]{40}|ory_[a-z]{2,3}_[\w\-]{40,90}"),
    ("adobe, pushbullet", ("p8e-", "o."), r"p8e-[\w\-]{32}|o\.[A-Za-z0-9]{32}"),
    ("backblaze, docker", ("k00", "dckr_oat_"), r"K00[0-9][A-Za-z0-9/+]{27}|dckr_oat_[\w\-]{27,40}"),
    ("inngest, retool", ("signkey-", "retool_"), r"signkey-[a-z]{2,8}-[0-9a-f]{40,70}|retool_[a-z0-9]{20,50}"),
    ("cloudinary", ("cloudinary://",), r"cloudinary://[0-9]{12,18}:[\w\-]{20,40}"),
    ("django", ("django-insecure-",), r"django-insecure-[^\s'\"]{40,60}"),
    ("teamcity", ("eyj0exaioiaivenwmij9.",), r"eyJ0eXAiOiAiVENWMiJ9\.[\w\-]{30,60}\.[\w+/=\-]{40,100}"),
    ("ghost", (":",), r"[0-9a-f]{24}:[0-9a-f]{64}"),
)
_SHAPES = (
    Row(
        kind="jwt",
        needs=("eyj",),
        pattern=re.compile(
            r"eyJ(?<![A-Za-z0-9]eyJ)[A-Za-z0-9_\-]{10,1000}\.[A-Za-z0-9_\-]{4,8000}\.[A-Za-z0-9_\-]{0,1000}"
        ),
        accept=_is_jwt,
    ),
    Row(kind="url_password", needs=("://",), pattern=_URL_PASSWORD, accept=_is_url_password),
)

# Their needs are words beside the secret; the other rows' needs are part of one long word.
TEXT_ROWS = (
    Row(kind="private_key", needs=("-----begin",), pattern=_KEY_BLOCK, accept=_is_key_block),
    Row(kind="private_key", needs=("putty-user-key-file",), pattern=_PUTTY, accept=_is_key_block),
    Row(
        kind="aws_key",
        needs=("secret",),
        pattern=re.compile(
            r"secret_?(?:access_?)?key[\"']{0,2} {0,3}[=:] {0,3}[\"']?(?P<v>[a-z0-9/+]{40})(?![a-z0-9/+=])"
        ),
        lowered=True,
        accept=real_token,
    ),
    Row(kind="gcp_key", needs=("service_account",), pattern=_SERVICE_ACCOUNT),
)
TOKEN_ROWS = (
    *(*_CLOUD, *_FORGES, *_CHAT, *_MONEY, *_MODELS, *_SERVICES),
    *(_format("provider_token", needs, body) for _, needs, body in _PREFIXED),
    *_SHAPES,
)
# After everything that has a shape or a name of its own.
LAST_ROWS = (Row(kind="random_token", pattern=_RANDOM, accept=shuffled),)
