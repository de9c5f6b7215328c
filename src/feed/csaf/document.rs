//! The shape of a document, the fields that are used here.
//!
//! A document has up to some hundred thousand products, and its bytes are held: texts are borrowed from them.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

/// A text, borrowed where it has no escapes.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

type Texts<'a> = Option<Vec<Text<'a>>>;

#[derive(Deserialize)]
pub(super) struct Csaf<'a> {
    #[serde(borrow)]
    pub(super) document: Head<'a>,
    #[serde(borrow, default)]
    pub(super) product_tree: ProductTree<'a>,
    #[serde(borrow)]
    pub(super) vulnerabilities: Option<Vec<Vulnerability<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Head<'a> {
    /// `csaf_vex`, `csaf_security_advisory`.
    #[serde(borrow)]
    pub(super) category: Text<'a>,
    #[serde(borrow)]
    pub(super) publisher: Publisher<'a>,
    #[serde(borrow)]
    pub(super) tracking: Tracking<'a>,
    #[serde(borrow)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) notes: Option<Vec<Note<'a>>>,
    #[serde(borrow)]
    pub(super) aggregate_severity: Option<Aggregate<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Publisher<'a> {
    /// An address of the publisher's own.
    #[serde(borrow)]
    pub(super) namespace: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Tracking<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) current_release_date: Option<Text<'a>>,
    /// `final`, `interim`, and `deleted`, which is Red Hat's own.
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Note<'a> {
    #[serde(borrow)]
    pub(super) category: Text<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Aggregate<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
}

#[derive(Default, Deserialize)]
pub(super) struct ProductTree<'a> {
    #[serde(borrow, default)]
    pub(super) branches: Branches<'a>,
    #[serde(borrow, default)]
    pub(super) relationships: Vec<Relationship<'a>>,
}

/// The products of all branches, however deep they are.
#[derive(Default)]
pub(super) struct Branches<'a>(pub(super) Vec<Product<'a>>);

#[derive(Deserialize)]
struct Branch<'a> {
    #[serde(borrow)]
    product: Option<Product<'a>>,
    #[serde(borrow, default)]
    branches: Branches<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Branches<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Branches<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("branches of products")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut branches: A) -> Result<Branches<'de>, A::Error> {
                let mut products = Vec::new();
                while let Some(Branch { product, branches }) = branches.next_element()? {
                    products.extend(product);
                    products.extend(branches.0);
                }
                Ok(Branches(products))
            }
        }
        json.deserialize_seq(Each)
    }
}

#[derive(Deserialize)]
pub(super) struct Product<'a> {
    #[serde(borrow)]
    pub(super) product_id: Text<'a>,
    #[serde(borrow)]
    pub(super) product_identification_helper: Option<Helper<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Helper<'a> {
    #[serde(borrow)]
    pub(super) cpe: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) purl: Option<Text<'a>>,
}

/// That a product is part of another, which makes a third.
#[derive(Deserialize)]
pub(super) struct Relationship<'a> {
    #[serde(borrow)]
    pub(super) full_product_name: FullName<'a>,
    /// The part.
    #[serde(borrow)]
    pub(super) product_reference: Text<'a>,
    /// The whole.
    #[serde(borrow)]
    pub(super) relates_to_product_reference: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct FullName<'a> {
    #[serde(borrow)]
    pub(super) product_id: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Vulnerability<'a> {
    #[serde(borrow)]
    pub(super) cve: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) notes: Option<Vec<Note<'a>>>,
    #[serde(borrow, default)]
    pub(super) product_status: Statuses<'a>,
    #[serde(borrow)]
    pub(super) remediations: Option<Vec<Remediation<'a>>>,
    #[serde(borrow)]
    pub(super) scores: Option<Vec<Score<'a>>>,
    #[serde(borrow)]
    pub(super) threats: Option<Vec<Threat<'a>>>,
}

/// Ids of products by what is said of them.
#[derive(Default, Deserialize)]
pub(super) struct Statuses<'a> {
    #[serde(borrow)]
    pub(super) fixed: Texts<'a>,
    #[serde(borrow)]
    pub(super) first_fixed: Texts<'a>,
    /// What SUSE writes for what is fixed.
    #[serde(borrow)]
    pub(super) recommended: Texts<'a>,
    #[serde(borrow)]
    pub(super) known_affected: Texts<'a>,
    #[serde(borrow)]
    pub(super) known_not_affected: Texts<'a>,
    #[serde(borrow)]
    pub(super) under_investigation: Texts<'a>,
}

#[derive(Deserialize)]
pub(super) struct Remediation<'a> {
    /// `vendor_fix`, `none_available`, `no_fix_planned`, `workaround`.
    #[serde(borrow)]
    pub(super) category: Text<'a>,
    #[serde(borrow)]
    pub(super) details: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) product_ids: Texts<'a>,
}

#[derive(Deserialize)]
pub(super) struct Score<'a> {
    #[serde(borrow)]
    pub(super) cvss_v2: Option<Cvss<'a>>,
    #[serde(borrow)]
    pub(super) cvss_v3: Option<Cvss<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Cvss<'a> {
    #[serde(borrow, rename = "vectorString")]
    pub(super) vector: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Threat<'a> {
    /// `impact`: how bad, in the publisher's word.
    #[serde(borrow)]
    pub(super) category: Text<'a>,
    #[serde(borrow)]
    pub(super) details: Text<'a>,
    /// Which products it is said of; of all where there is no list.
    #[serde(borrow)]
    pub(super) product_ids: Texts<'a>,
}
