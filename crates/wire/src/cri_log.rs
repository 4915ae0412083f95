//! The container log format of the CRI: `<RFC 3339 time> <stdout|stderr> <F|P> <text>`, where P
//! marks a part of a line that goes on in the next entry.
