//! What changed between two texts, line by line.

use crate::base::limits;

/// Lines of both: gone with `-`, new with `+`, kept with a space. Texts of too many lines are shown as
/// replaced whole, but for what they begin and end with alike.
pub(super) fn lines(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let rest = before.len().min(after.len()) - head;
    let tail = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let old = &before[head..before.len() - tail];
    let new = &after[head..after.len() - tail];
    let same = |line: &&str| format!(" {line}");
    let mut out: Vec<String> = before[..head].iter().map(same).collect();
    if old.len().saturating_mul(new.len()) > limits::DIFF_LINES_MAX * limits::DIFF_LINES_MAX / 4 {
        out.extend(old.iter().map(|line| format!("-{line}")));
        out.extend(new.iter().map(|line| format!("+{line}")));
    } else {
        middle(old, new, &mut out);
    }
    out.extend(before[before.len() - tail..].iter().map(same));
    out
}

/// Along the longest common subsequence.
fn middle(old: &[&str], new: &[&str], out: &mut Vec<String>) {
    let width = new.len() + 1;
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            longest[a * width + b] = if old[a] == new[b] {
                longest[(a + 1) * width + b + 1] + 1
            } else {
                longest[(a + 1) * width + b].max(longest[a * width + b + 1])
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old[a] == new[b] {
            out.push(format!(" {}", old[a]));
            (a, b) = (a + 1, b + 1);
        } else if b == new.len() || (a < old.len() && longest[(a + 1) * width + b] >= longest[a * width + b + 1]) {
            out.push(format!("-{}", old[a]));
            a += 1;
        } else {
            out.push(format!("+{}", new[b]));
            b += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn changes_are_shown_line_by_line() {
        for (before, after, want) in [
            ("a\nb\nc", "a\nx\nc", vec![" a", "-b", "+x", " c"]),
            ("", "a\nb", vec!["+a", "+b"]),
            ("a", "a", vec![" a"]),
            ("a\na\na", "a\na", vec![" a", " a", "-a"]),
            ("a\nb\nc\nd", "b\nd\ne", vec!["-a", " b", "-c", " d", "+e"]),
        ] {
            assert_eq!(lines(before, after), want, "{before:?} {after:?}");
        }
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_from_it(before in "([abc]\n){0,12}", after in "([abc]\n){0,12}") {
            let found = lines(&before, &after);
            let side = |gone: char| -> String {
                found.iter().filter(|l| !l.starts_with(gone)).map(|l| format!("{}\n", &l[1..])).collect()
            };
            prop_assert_eq!(side('+'), before);
            prop_assert_eq!(side('-'), after);
        }
    }
}
