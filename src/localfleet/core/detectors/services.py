"""
Keys without a shape of their own, beside the name of the service that gives such keys out: `new Gitter('55d9...')`.

The value is looked for, of which there are few, and the names are asked for around it; so they cost nothing elsewhere.
"""

import re

from localfleet.core.detectors.guess import looks_random
from localfleet.core.detectors.row import Row

__all__ = ["ROWS"]

# Services that give out keys of hexadecimal digits or of letters and digits, as their documentation shows. Those whose
# name is an everyday word, and hosts of code, whose long words are mostly commits, are left out.
_NAMES = (
    "abstractapi|abuseipdb|accuweather|adafruit|adobe|adzuna|aeroworkflow|agora|airbrake|airship|airtable|"
    "aiven|algolia|alchemy|alibaba|amplitude|anthropic|apiflash|apify|apilayer|appcues|appdynamics|"
    "appfollow|appsflyer|artifactory|asana|assemblyai|auth0|autodesk|avaza|aviationstack|axonaut|azure|"
    "backblaze|bannerbear|billomat|bitbar|bitfinex|bitly|bitmex|blazemeter|blockfrost|bombbomb|braintree|"
    "branchio|brandfetch|brevo|browserstack|bugherd|bugsnag|buildkite|buttercms|calendarific|calendly|"
    "campayn|cannyio|capsulecrm|caspio|cexio|chartmogul|checkly|circleci|clarifai|clearbit|clickhouse|"
    "clicksend|clickup|clockify|cloudconvert|cloudflare|cloudimage|cloudinary|cloudsmith|codacy|codeclimate|"
    "codecov|cohere|coinapi|coinbase|coinlayer|confluent|contentful|contentstack|convertkit|couchbase|"
    "coveralls|crowdin|cryptocompare|currencylayer|customerio|d7network|dandelion|databricks|datadog|"
    "debounce|deepai|deepgram|deepl|deepseek|dialpad|digicert|digitalocean|docparser|docusign|dockerhub|"
    "doppler|dronahq|dropbox|dwolla|dynatrace|easypost|edamam|elevenlabs|etherscan|eventbrite|everhour|"
    "exchangerate|eventful|facebook|fastly|feedly|figma|finnhub|firebase|fireworks|flickr|flightstats|"
    "flutterwave|freshbooks|freshdesk|freshservice|fullstory|fusebill|geoapify|geocodio|getresponse|giphy|"
    "gitter|gocardless|grafana|graphhopper|groq|gumroad|happyscribe|hellosign|helpscout|heroku|hetzner|"
    "holidayapi|honeycomb|hubspot|huggingface|hypertrack|iconfinder|imagekit|imgur|infura|instabot|"
    "intercom|intrinio|invoiceocean|ipapi|ipgeolocation|ipinfo|ipinfodb|ipquality|ipstack|jfrog|jira|"
    "jotform|jumpcloud|klaviyo|kucoin|launchdarkly|leadfeeder|lemlist|linkedin|linode|lokalise|loggly|"
    "logzio|mailboxlayer|mailchimp|mailerlite|mailgun|mailjet|mailmodo|mailsac|mandrill|mapbox|mapquest|"
    "marketstack|mattermost|maxmind|mediastack|messagebird|metaapi|mistral|mixpanel|moonclerk|moosend|"
    "mrticktock|newrelic|newsapi|newscatcher|nexmo|northpass|notion|numverify|nutritionix|nvidia|nylas|"
    "okta|onedesk|onelogin|onesignal|onfleet|openai|opencage|openrouter|openuv|openweather|opsgenie|"
    "optimizely|pagerduty|paymongo|paypal|paystack|pendo|pepipost|perplexity|pexels|pinata|pinecone|"
    "pipedrive|pipedream|pivotaltracker|pixabay|plaid|planetscale|plivo|positionstack|posthog|postman|"
    "postmark|prerender|prismic|proxycrawl|pulumi|pushbullet|pusher|quickbase|quickbooks|rapidapi|razorpay|"
    "rebrandly|recaptcha|replicate|restpack|revampcrm|ringcentral|rollbar|salesforce|salesflare|saucelabs|"
    "scaleway|scraperapi|scraperbee|scrapingbee|screenshotapi|sendbird|sendgrid|sendinblue|sentry|serpapi|"
    "servicenow|sheety|shippo|shodan|shopify|shortcut|signalwire|signable|simplesat|simvoly|sinch|skrapp|"
    "skybiometry|smartsheet|smartystreets|snipcart|snyk|sonarcloud|sonarqube|sourcegraph|sparkpost|splunk|"
    "spotify|squareup|statuspage|storyblok|strava|stripe|stytch|sugester|sumologic|supabase|surveymonkey|"
    "tatum|taxjar|teamcity|telegram|telnyx|terraform|textmagic|theoddsapi|ticketmaster|tiingo|timezoneapi|"
    "tmdb|todoist|tomorrowio|tomtom|trello|travisci|twelvedata|twilio|twitch|twitter|typeform|unifyid|"
    "unsplash|upcdatabase|uploadcare|upstash|uptimerobot|urlscan|userstack|vatlayer|vercel|vimeo|"
    "virustotal|visualcrossing|voicegain|vonage|vultr|vyte|wakatime|walkscore|weatherbit|weatherstack|"
    "webex|webflow|webscraper|wepay|whoxy|wistia|wordnik|workato|wrike|yandex|youneedabudget|yelp|zapier|"
    "zendesk|zenrows|zenserp|zerobounce|zipbooks|zipcodeapi|zoho|zoominfo|zulip"
)
_SERVICE = re.compile(rf"(?<![a-z])(?:{_NAMES})")
_VALUE = re.compile(
    r"[A-Za-z0-9](?<![A-Za-z0-9_\-/.@#%&?+].)(?=[A-Za-z_\-]{0,63}[0-9])[A-Za-z0-9_\-]{19,127}(?![A-Za-z0-9_\-/+(~]|\.\S)"
)
_NAMES_A_THING = re.compile(
    r"\b(?:commits?|sha-?[0-9]{0,3}|md5|hash|digest|checksum|rev|revision|trace|span|request|build|image|tag|version|e-?tag|"
    r"uuid|guid|id|blob|tree|fingerprint|file|order|integrity|docs?|public)\b[^\n]{0,12}$|[_\-]id[\"']?\s?[:=]\s?[\"']?$"
)

ROWS = (
    Row(
        kind="provider_token",
        needs=tuple(_NAMES.split("|")),
        pattern=_VALUE,
        near=_SERVICE,
        unless=_NAMES_A_THING,
        accept=looks_random,
    ),
)
