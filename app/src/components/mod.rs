//! Parts of the screen: each shows a piece of the view and reports what a person does with it.

pub(crate) mod account_gate;
pub(crate) mod chain_alarm;
pub(crate) mod composer;
pub(crate) mod connection_status;
pub(crate) mod conversation_list;
pub(crate) mod conversation_row;
pub(crate) mod delivery_mark;
pub(crate) mod dialog;
pub(crate) mod field;
pub(crate) mod handle_check;
pub(crate) mod icon;
pub(crate) mod key_history;
pub(crate) mod key_text;
pub(crate) mod keyboard;
pub(crate) mod lock_screen;
pub(crate) mod message;
pub(crate) mod message_text;
pub(crate) mod new_conversation;
pub(crate) mod presence;
pub(crate) mod shortcut_sheet;
pub(crate) mod site_header;
pub(crate) mod switcher;
pub(crate) mod thread;
pub(crate) mod toast;
pub(crate) mod verify_dialog;
pub(crate) mod word_list;
