"""Secrets that a sentence, a command or a service's name gives away, and what was undressed lately."""

import random
import string

import pytest

from localfleet.core.detectors import scan

RNG = random.Random(7)
HEX = "".join(RNG.choice("0123456789abcdef") for _ in range(64))
MIX = "".join(RNG.choice(string.ascii_letters + string.digits) for _ in range(64))
UUID = "7d1c2f3a-94be-4c0d-8a61-5b0e9f2d7c48"
PASSWORD = "Krokus-4711x"  # nobody's
SEED = "ribbon velvet orbit tunnel hazard camera lunar peanut sketch wisdom marble coffee"

GIVEN_AWAY = {
    "password": (
        f"le mot de passe du wifi : {PASSWORD} merci",
        f"hasło do systemu: {PASSWORD}, napisz instrukcję",
        f"パスワードは {PASSWORD} です",
        f"密码是 {PASSWORD},为什么登录不了",
        f"비밀번호는 {PASSWORD} 입니다",
        f"docker login -u ci -p {MIX[:20]}7 registry.acme.io",
        f"mysqldump -uroot -p{MIX[:12]}7 shop",
        f"pg_restore --db-password {PASSWORD} x.dump",
        f"net use Z: \\\\filer\\share /user:ACME\\jb {PASSWORD}",
        f"smbclient //nas/media -U pi%{PASSWORD}",
        f"ansible_become_pass: {PASSWORD}",
        "imap.login('office@shop.dk', 'kqzv wmtr lpxa nhye')",
        "smtp:\n  password: 'zahn.Fee_4481'",
        f"The admin login is editor / {PASSWORD}",
        "the door code is 4718# for the cleaners",
        f"p_a_s_s_w_o_r_d = {PASSWORD}",
        "user%3Dpiotr%26pass%3DZielony%21kot77",
    ),
    "assigned_secret": (
        f"How do I rotate my key {HEX[:32]}",
        f"the deploy secret is {HEX[:40]} but it fails",
        f"new credentials: {MIX[:20]}7 for the wiki",
        f"vault write --token {HEX[:40]} x",
        f"Set-Cookie: session={MIX}; HttpOnly",
        f"my key is {UUID}",
    ),
    "provider_token": (
        f"new Gitter('{HEX[:40]}')",
        f"twitch: {HEX[:30]}",
        f"clickup: pk_61431949_{MIX[:32].upper()}",
        f"asana 1/3082967583099433:{HEX[:32]}",
        f"SECRET_KEY = 'django-insecure-{MIX[:20]}*u2t)&m-@re2i0nyui_+t{MIX[:10]}'",
        f"pat-na1-{UUID}",
    ),
    "private_key": (f"wallet seed: {SEED} - which app imports it?",),
    "phone": (
        "vous pouvez me joindre au 06 48 21 97 03 après 18h",
        "bel mij maar op 06-41882673",
        "ruf mich an unter null eins sieben sechs, drei vier acht neun zwei zwei eins",
        "phone: six one nine - five five oh - three three one eight",
    ),
    "email": ("escríbeme a marta punto solano arroba yahoo punto es",),
    "card": ("declined: 4-1-1-1 1-1-1-1 1-1-1-1 1-1-1-1",),
    "us_ssn": ("s s n  2 1 9 - 4 4 - 8 7 1 0",),
    "passport": ("Personalausweis Nr. L8T4K2V9C", "Numer paszportu EH4471893", "Passport: 09 371 5528"),
    "birth_date": ("name,dob,allergies\nJ,1991-08-30,none",),
    "bank_account": ("meine Kontonummer ist 4471902283",),
}
NOTHING = (
    f"what changed in commit {HEX[:40]}? the key change is small",
    f"the sentry commit {HEX[:40]} broke the build",
    f"primary key {UUID}",
    f"cache key {HEX[:32]}",
    f"the key fingerprint is SHA256:{MIX[:43]}",
    "the key {HEX} opens nothing; token is a word of sixteen letters",
    "password = models.CharField(max_length=128)",
    "DATABASE_URL=postgres://user:password@localhost:5432/mydb",
    "the password must have at least 12 characters and 1 digit",
    "mot de passe : au moins huit caractères",
    "docker run -p 8080:80 nginx",
    "mysql -u root -p then it asks",
    "cat secret.txt | docker login -u ci --password-stdin",
    "seed: the twelve words of a wallet are not stored in the cloud but are written on paper by hand",
    "the pin is 4 digits, the door code is 1234",
    "ab 01 02 03 04 05 is a dump",
    "What is at 10 Downing Street?",
    "192.168.0.1 shows the router's page",
    "Ausweis bitte; passport 2024-05-06",
    "dob,name\nno dates here",
)


@pytest.mark.parametrize("kind", GIVEN_AWAY)
def test_a_secret_is_found_by_the_words_around_it(kind: str) -> None:
    """Each text of a kind is found as that kind."""
    missed = [text for text in GIVEN_AWAY[kind] if kind not in {found.kind for found in scan(text)}]
    assert missed == []


def test_talk_about_secrets_gives_nothing_away() -> None:
    """Commits, placeholders, rules for passwords and everybody's addresses raise nothing."""
    assert [(text, scan(text)) for text in NOTHING if scan(text)] == []
