//! `cmdLine`: undoes what shells let attackers put into a command. Deletes `\ " ' ^`, deletes spaces before `/` and `(`,
//! turns `,` and `;` and white space to single spaces, and lower-cases.
//!
//! Example: `C^OMMAND /C DIR` becomes `command/c dir`.

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut space = false;
    for byte in input {
        match byte {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !space {
                    out.push(b' ');
                }
                space = true;
            }
            b'/' | b'(' => {
                if space {
                    out.pop();
                }
                space = false;
                out.push(*byte);
            }
            _ => {
                out.push(byte.to_ascii_lowercase());
                space = false;
            }
        }
    }
    out.as_slice() != input
}
