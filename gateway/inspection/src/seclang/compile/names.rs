//! Names of `TX` variables as numbers, so that a rule that sets one neither hashes nor compares a name.
//!
//! Only names that rules name in full have a number; a name that a macro makes is looked up when it is made.

use std::collections::HashMap;

use super::super::ast::{Change, Piece, Selector, SetVar, Target, Template};
use super::super::program::{CAPTURES, Slot};
use super::super::variable::Variable;
use super::settled::{After, Settled};

/// The names, by number and by text.
#[derive(Debug)]
pub(super) struct Names {
    list: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, Slot>,
}

impl Names {
    /// The names of all rules, after those of the captures.
    ///
    /// # Errors
    /// A sentence when there are more than 65536.
    pub(super) fn of(rules: &[Settled]) -> Result<Self, String> {
        let mut names = Self { list: Vec::new(), numbers: HashMap::new() };
        for capture in 0..CAPTURES {
            names.add(capture.to_string().as_bytes())?;
        }
        for rule in rules {
            names.add_rule(rule)?;
        }
        Ok(names)
    }

    /// The number of a name, upper and lower case alike.
    pub(super) fn get(&self, name: &[u8]) -> Option<Slot> {
        self.numbers.get(name.to_ascii_lowercase().as_slice()).copied()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The names with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &[u8])> {
        (0..).zip(&self.list).map(|(slot, name)| (slot, name.as_ref()))
    }

    /// The names, by number.
    pub(super) fn into_list(self) -> Box<[Box<[u8]>]> {
        self.list.into()
    }

    fn add(&mut self, name: &[u8]) -> Result<(), String> {
        let name: Box<[u8]> = name.to_ascii_lowercase().into();
        if self.numbers.contains_key(&name) {
            return Ok(());
        }
        let slot = Slot::try_from(self.list.len()).map_err(|_| "rules name more than 65536 TX variables".to_owned())?;
        self.numbers.insert(name.clone(), slot);
        self.list.push(name);
        Ok(())
    }

    fn add_rule(&mut self, rule: &Settled) -> Result<(), String> {
        for template in templates_of_about(rule) {
            self.add_macros(template)?;
        }
        for link in &rule.links {
            if let Some(test) = &link.test {
                test.targets.iter().try_for_each(|target| self.add_target(target))?;
                self.add_macros(&test.operator.argument)?;
            }
            link.sets.iter().try_for_each(|set| self.add_set(set))?;
        }
        for after in &rule.after {
            match after {
                After::Expire(Variable::Tx, name, seconds) => {
                    self.add_place(name)?;
                    self.add_macros(seconds)?;
                }
                After::Open(_, template) => self.add_macros(template)?,
                After::Expire(..) | After::Ctl(_) => {}
            }
        }
        Ok(())
    }

    fn add_target(&mut self, target: &Target) -> Result<(), String> {
        match (target.variable, &target.selector) {
            (Variable::Tx, Selector::Name(name)) => self.add(name),
            _ => Ok(()),
        }
    }

    fn add_set(&mut self, set: &SetVar) -> Result<(), String> {
        if set.collection == Variable::Tx {
            self.add_place(&set.name)?;
        } else {
            self.add_macros(&set.name)?;
        }
        match &set.change {
            Change::Set(value) | Change::Add(value) | Change::Subtract(value) => self.add_macros(value),
            Change::Unset => Ok(()),
        }
    }

    fn add_place(&mut self, name: &Template) -> Result<(), String> {
        match name.literal() {
            Some(name) => self.add(name),
            None => self.add_macros(name),
        }
    }

    fn add_macros(&mut self, template: &Template) -> Result<(), String> {
        template.0.iter().try_for_each(|piece| match piece {
            Piece::Macro(Variable::Tx, Some(name)) => self.add(name),
            _ => Ok(()),
        })
    }
}

/// The texts of a rule that are for people.
pub(super) fn templates_of_about(rule: &Settled) -> impl Iterator<Item = &Template> {
    [&rule.about.msg, &rule.about.logdata].into_iter().chain(&rule.about.tags)
}
