"""
Words with a capital that name nobody: days, months, languages, peoples, countries, cities, makes and products.

A text in which nothing else looks like a name needs no model of names. What is a name as well (Jordan, Georgia, Sydney,
May, Austin, Florence, German) is left out, so that it is looked at.
"""

__all__ = ["NOBODY"]

NOBODY = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday january february march july august september october
    november december christmas easter ramadan diwali hanukkah i english french spanish portuguese italian dutch
    danish swedish norwegian finnish polish czech hungarian romanian bulgarian greek turkish russian ukrainian
    arabic hebrew persian hindi bengali urdu tamil telugu chinese mandarin cantonese japanese korean vietnamese thai
    indonesian malay swahili latin american british scottish irish welsh canadian australian mexican brazilian
    argentinian indian pakistani african asian european austrian swiss belgian egyptian nigerian kenyan deutsch
    français español português italiano france germany spain portugal italy netherlands belgium denmark sweden
    norway finland poland hungary romania bulgaria greece turkey russia ukraine austria switzerland luxembourg
    iceland croatia serbia slovenia slovakia estonia latvia lithuania cyprus malta england scotland wales britain
    usa uk eu canada mexico brazil argentina chile peru colombia venezuela ecuador bolivia uruguay paraguay cuba
    jamaica haiti panama nicaragua honduras guatemala egypt morocco algeria tunisia libya nigeria ghana ethiopia
    uganda tanzania zimbabwe zambia angola mozambique namibia botswana senegal cameroon rwanda somalia sudan iran
    iraq syria lebanon yemen oman qatar kuwait bahrain afghanistan pakistan bangladesh nepal bhutan myanmar thailand
    vietnam cambodia laos malaysia singapore indonesia philippines japan korea mongolia taiwan australia europe
    africa asia antarctica america berlin munich hamburg frankfurt cologne stuttgart düsseldorf zurich geneva basel
    bern salzburg brussels antwerp amsterdam rotterdam copenhagen stockholm oslo helsinki warsaw kraków prague
    budapest bucharest athens istanbul ankara moscow kyiv madrid barcelona lisbon porto rome naples turin venice
    dublin edinburgh glasgow manchester birmingham london toronto montreal vancouver chicago boston seattle
    philadelphia detroit atlanta miami minneapolis baltimore tokyo osaka kyoto seoul beijing shanghai shenzhen delhi
    mumbai bangalore karachi dhaka jakarta manila bangkok hanoi cairo lagos nairobi johannesburg casablanca
    melbourne brisbane google microsoft amazon facebook youtube twitter linkedin instagram whatsapp netflix github
    gitlab openai chatgpt python java javascript typescript rust golang kotlin linux ubuntu debian windows macos
    android ios docker kubernetes postgres postgresql mysql sqlite redis kafka excel word powerpoint outlook gmail
    slack zoom json xml html css http api internet bible quran earth mars jupiter saturn covid paris vienna
    """.split()  # noqa: SIM905  # a list of quoted words of this length reads worse
)
"""In lower case."""
