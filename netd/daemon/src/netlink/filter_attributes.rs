//! Numbers of messages and attributes (linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h).

/// Begin and end of a batch: the kernel takes all of it or nothing.
pub(super) const BATCH_BEGIN: u16 = 0x10;
pub(super) const BATCH_END: u16 = 0x11;
/// nf_tables among the subsystems.
pub(super) const SUBSYSTEM: u16 = 10;

pub(super) mod message {
    pub(in crate::netlink) const NEW_TABLE: u16 = 0;
    pub(in crate::netlink) const NEW_CHAIN: u16 = 3;
    pub(in crate::netlink) const NEW_RULE: u16 = 6;
    pub(in crate::netlink) const NEW_SET: u16 = 9;
    pub(in crate::netlink) const NEW_ELEMENT: u16 = 12;
    pub(in crate::netlink) const NEW_FLOWS: u16 = 22;
    /// Like "delete", but done also if it is not there (Linux 6.3).
    pub(in crate::netlink) const DESTROY_TABLE: u16 = 26;
    pub(in crate::netlink) const DESTROY_CHAIN: u16 = 27;
    pub(in crate::netlink) const DESTROY_SET: u16 = 29;
    pub(in crate::netlink) const DESTROY_ELEMENT: u16 = 30;
}

pub(super) const TABLE_NAME: u16 = 1;

pub(super) const CHAIN_TABLE: u16 = 1;
pub(super) const CHAIN_NAME: u16 = 3;
pub(super) const CHAIN_HOOK: u16 = 4;
pub(super) const CHAIN_POLICY: u16 = 5;
pub(super) const CHAIN_TYPE: u16 = 7;
pub(super) const HOOK_NUMBER: u16 = 1;
pub(super) const HOOK_PRIORITY: u16 = 2;

pub(super) const RULE_TABLE: u16 = 1;
pub(super) const RULE_CHAIN: u16 = 2;
pub(super) const RULE_EXPRESSIONS: u16 = 4;

pub(super) const FLOWS_TABLE: u16 = 1;
pub(super) const FLOWS_NAME: u16 = 2;
pub(super) const FLOWS_HOOK: u16 = 3;
pub(super) const FLOWS_HOOK_NUMBER: u16 = 1;
pub(super) const FLOWS_HOOK_PRIORITY: u16 = 2;
pub(super) const FLOWS_HOOK_LINKS: u16 = 3;

pub(super) const SET_TABLE: u16 = 1;
pub(super) const SET_NAME: u16 = 2;
pub(super) const SET_FLAGS: u16 = 3;
pub(super) const SET_KEY_TYPE: u16 = 4;
pub(super) const SET_KEY_LENGTH: u16 = 5;
pub(super) const SET_DATA_TYPE: u16 = 6;
pub(super) const SET_DATA_LENGTH: u16 = 7;
pub(super) const SET_DESCRIPTION: u16 = 9;
pub(super) const SET_ID: u16 = 10;
pub(super) const DESCRIPTION_SIZE: u16 = 1;
/// Flags of a set.
pub(super) const IS_MAP: u32 = 8;
pub(super) const HAS_TIMEOUTS: u32 = 16;
/// Type of what a map says, if it is a chain.
pub(super) const TYPE_VERDICT: u32 = 0xffff_ff00;

pub(super) const ELEMENTS_TABLE: u16 = 1;
pub(super) const ELEMENTS_SET: u16 = 2;
pub(super) const ELEMENTS_LIST: u16 = 3;
pub(super) const ELEMENT_KEY: u16 = 1;
pub(super) const ELEMENT_DATA: u16 = 2;
pub(super) const ELEMENT_TIMEOUT: u16 = 4;
pub(super) const ELEMENT_EXPIRATION: u16 = 5;

/// An entry of a list.
pub(super) const LIST_ENTRY: u16 = 1;
pub(super) const DATA_VALUE: u16 = 1;
pub(super) const DATA_VERDICT: u16 = 2;
pub(super) const VERDICT_CODE: u16 = 1;
pub(super) const VERDICT_CHAIN: u16 = 2;
/// Go on in a chain and do not come back: -4.
pub(super) const GOTO: u32 = 0xffff_fffc;

pub(super) const EXPRESSION_NAME: u16 = 1;
pub(super) const EXPRESSION_DATA: u16 = 2;

/// The register of verdicts, and the first of 4 bytes.
pub(super) const REGISTER_VERDICT: u32 = 0;
pub(super) const REGISTER_FIRST: u32 = 8;
