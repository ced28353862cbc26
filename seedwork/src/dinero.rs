//! Money: integer minor units with a currency, never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency code that is in circulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Z]{3}$"))]
pub struct Moneda([u8; 3]);

/// An amount a client can pay: more than zero, at most 1,000,000.00 of its currency, held in minor units (cents).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "DineroText", into = "DineroText")]
pub struct Dinero {
    minor: i64,
    moneda: Moneda,
}

/// How an amount travels: `{"monto": "24.00", "moneda": "USD"}`.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct DineroText {
    /// A plain decimal number with at most the currency's decimals.
    #[schemars(extend("pattern" = "^[0-9]+([.][0-9]+)?$"))]
    monto: String,
    moneda: Moneda,
}

/// Why a text is not an amount. Each message completes the sentence "monto …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DineroError {
    /// Not a plain decimal number.
    #[error("must be a plain decimal number such as 24 or 24.10")]
    NotANumber,
    /// Zero or less.
    #[error("must be greater than 0")]
    NotPositive,
    /// More decimals than the currency has.
    #[error("must have at most {decimals} decimals in {moneda}")]
    TooPrecise {
        /// The currency.
        moneda: Moneda,
        /// How many decimals it has.
        decimals: u32,
    },
    /// More than the limit.
    #[error("must be at most 1000000")]
    TooLarge,
    /// Not an ISO 4217 code.
    #[error("moneda must be an ISO 4217 code such as USD")]
    UnknownCurrency,
}

// ISO 4217, list one (active currencies with a minor unit), by number of decimals.
const DECIMALS_0: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const DECIMALS_3: &str = "BHD IQD JOD KWD LYD OMR TND";
const DECIMALS_2: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
    CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR \
    ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR \
    MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP \
    STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW";

/// Whether a list has this code. Every amount that is read asks, so it is not split into words: a code and its space are
/// four bytes.
fn is_listed(list: &str, code: [u8; 3]) -> bool {
    list.as_bytes().chunks(4).any(|entry| entry.starts_with(&code))
}

// === impl Moneda ===

impl Moneda {
    /// The default of every setting that names a currency.
    pub const USD: Self = Self(*b"USD");

    /// Reads an ISO 4217 code, upper case.
    pub fn parse(code: &str) -> Result<Self, DineroError> {
        let bytes = <[u8; 3]>::try_from(code.as_bytes()).map_err(|_| DineroError::UnknownCurrency)?;
        let known = [DECIMALS_2, DECIMALS_0, DECIMALS_3]
            .into_iter()
            .any(|list| is_listed(list, bytes));
        known.then_some(Self(bytes)).ok_or(DineroError::UnknownCurrency)
    }

    /// Every currency, by number of decimals, then by code.
    pub fn all() -> impl Iterator<Item = Self> {
        let codes = [DECIMALS_0, DECIMALS_2, DECIMALS_3]
            .into_iter()
            .flat_map(str::split_whitespace);
        codes.filter_map(|code| Self::parse(code).ok())
    }

    /// How many decimals an amount in this currency may have.
    pub fn decimals(self) -> u32 {
        if is_listed(DECIMALS_0, self.0) {
            0
        } else if is_listed(DECIMALS_3, self.0) {
            3
        } else {
            2
        }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        // The bytes were checked against the ASCII list in `parse`.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl std::str::FromStr for Moneda {
    type Err = DineroError;
    fn from_str(code: &str) -> Result<Self, DineroError> {
        Self::parse(code)
    }
}

impl TryFrom<String> for Moneda {
    type Error = DineroError;
    fn try_from(code: String) -> Result<Self, DineroError> {
        Self::parse(&code)
    }
}

impl From<Moneda> for String {
    fn from(moneda: Moneda) -> Self {
        moneda.as_str().to_owned()
    }
}

impl fmt::Display for Moneda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Dinero ===

impl Dinero {
    /// The largest amount, in whole units of its currency.
    pub const MAX_UNITS: i64 = 1_000_000;

    /// Reads an amount exactly from its decimal text (a JSON number's own characters, or a string). Trailing zeros
    /// beyond the currency's decimals are not a loss and are accepted; any other extra decimal is refused.
    pub fn parse(text: &str, moneda: Moneda) -> Result<Self, DineroError> {
        let text = text.trim();
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(DineroError::NotANumber);
        }
        let is_zero = whole.bytes().chain(fraction.bytes()).all(|b| b == b'0');
        if negative || is_zero {
            return Err(DineroError::NotPositive);
        }
        let decimals = moneda.decimals();
        let significant = fraction.trim_end_matches('0');
        let scale = usize::try_from(decimals).unwrap_or(0);
        if significant.len() > scale {
            return Err(DineroError::TooPrecise { moneda, decimals });
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > 7 {
            return Err(DineroError::TooLarge);
        }
        let minor: i64 = format!("{whole}{significant:0<scale$}")
            .parse()
            .map_err(|_| DineroError::NotANumber)?;
        Self::from_minor(minor, moneda)
    }

    /// An amount from minor units.
    pub fn from_minor(minor: i64, moneda: Moneda) -> Result<Self, DineroError> {
        if minor <= 0 {
            return Err(DineroError::NotPositive);
        }
        if minor > Self::MAX_UNITS * 10_i64.pow(moneda.decimals()) {
            return Err(DineroError::TooLarge);
        }
        Ok(Self { minor, moneda })
    }

    /// The amount in minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub fn moneda(self) -> Moneda {
        self.moneda
    }

    /// The amount as decimal text, with all the decimals of its currency: `24.00`.
    pub fn monto(self) -> String {
        let scale = 10_i64.pow(self.moneda.decimals());
        match self.moneda.decimals() {
            0 => self.minor.to_string(),
            decimals => {
                let width = usize::try_from(decimals).unwrap_or(2);
                format!("{}.{:0width$}", self.minor / scale, self.minor % scale)
            }
        }
    }
}

impl fmt::Display for Dinero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.monto(), self.moneda)
    }
}

impl TryFrom<DineroText> for Dinero {
    type Error = DineroError;
    fn try_from(text: DineroText) -> Result<Self, DineroError> {
        let DineroText { monto, moneda } = text;
        Self::parse(&monto, moneda)
    }
}

impl From<Dinero> for DineroText {
    fn from(dinero: Dinero) -> Self {
        Self {
            monto: dinero.monto(),
            moneda: dinero.moneda,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_exactly() {
        for (text, minor) in [
            ("24", 2400),
            ("24.10", 2410),
            ("24.1", 2410),
            ("0.01", 1),
            ("1000000", 100_000_000),
            ("24.100", 2410),
        ] {
            assert_eq!(Dinero::parse(text, Moneda::USD).unwrap().minor(), minor, "{text}");
        }
        assert_eq!(Dinero::parse("24.1", Moneda::USD).unwrap().monto(), "24.10");
        assert_eq!(
            Dinero::parse("500", Moneda::parse("CLP").unwrap()).unwrap().monto(),
            "500"
        );
        assert_eq!(
            Dinero::parse("0.005", Moneda::parse("KWD").unwrap()).unwrap().minor(),
            5
        );
    }

    #[test]
    fn every_currency_is_found_with_its_decimals() {
        for (list, decimals) in [(DECIMALS_0, 0), (DECIMALS_2, 2), (DECIMALS_3, 3)] {
            for code in list.split_whitespace() {
                assert_eq!(Moneda::parse(code).unwrap().decimals(), decimals, "{code}");
            }
        }
        assert_eq!(Moneda::all().count(), 16 + 129 + 7);
    }

    #[test]
    fn an_amount_nobody_can_pay_is_refused_with_its_rule() {
        let refused = |text| Dinero::parse(text, Moneda::USD).unwrap_err();
        assert_eq!(
            refused("24.105"),
            DineroError::TooPrecise {
                moneda: Moneda::USD,
                decimals: 2
            }
        );
        for text in ["0", "-5", "0.00", "-0"] {
            assert_eq!(refused(text), DineroError::NotPositive, "{text}");
        }
        for text in ["NaN", "", "1e3", "+1", "1.", ".5", "1,5", "inf"] {
            assert_eq!(refused(text), DineroError::NotANumber, "{text}");
        }
        for text in ["1000000.01", "99999999999999999999999"] {
            assert_eq!(refused(text), DineroError::TooLarge, "{text}");
        }
        assert_eq!(Moneda::parse("usd"), Err(DineroError::UnknownCurrency));
        for code in ["", "US", "USDX", "SD ", "D U", " US"] {
            assert_eq!(Moneda::parse(code), Err(DineroError::UnknownCurrency), "{code:?}");
        }
        assert_eq!(Moneda::parse("XXQ"), Err(DineroError::UnknownCurrency));
    }
}
