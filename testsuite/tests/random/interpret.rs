//! What a program's result is by the definition of the language.

use crate::program::{
    Content, DatumId, EXHAUSTED, Expression, FunctionId, Operator, Pointer, Program, Statement,
};

struct Machine<'p> {
    program: &'p Program,
    memory: Vec<Content>,
}

/// A call that is under way.
struct Frame {
    variables: Vec<i64>,
    parameter: Option<FunctionId>,
}

/// The program's result.
pub fn run(program: &Program) -> i64 {
    let memory = program.data.iter().map(|datum| datum.content.clone());
    let mut machine = Machine {
        program,
        memory: memory.collect(),
    };
    machine.call(program.main, None, &[1, 2])
}

impl Machine<'_> {
    fn call(
        &mut self,
        function: FunctionId,
        parameter: Option<FunctionId>,
        numbers: &[i64],
    ) -> i64 {
        let program = self.program;
        let function = &program.functions[function.0];
        if function.is_limited {
            let left = self.number(program.budget, 0).wrapping_sub(1);
            self.set_number(program.budget, 0, left);
            if left < 0 {
                return EXHAUSTED;
            }
        }
        let mut variables = vec![0; function.variables];
        variables[..numbers.len()].copy_from_slice(numbers);
        let mut frame = Frame {
            variables,
            parameter,
        };
        self.block(&mut frame, &function.body);
        self.value(&mut frame, &function.result)
    }

    fn block(&mut self, frame: &mut Frame, block: &[Statement]) {
        for statement in block {
            self.step(frame, statement);
        }
    }

    fn step(&mut self, frame: &mut Frame, statement: &Statement) {
        match statement {
            Statement::Set(variable, value) => {
                frame.variables[*variable] = self.value(frame, value)
            }
            Statement::Store(datum, index, value) => {
                let index = self.value(frame, index);
                let value = self.value(frame, value);
                self.set_number(*datum, index, value);
            }
            Statement::StoreThrough(datum, index, value) => {
                let index = self.value(frame, index);
                let value = self.value(frame, value);
                let (target, cell) = self.pointee(*datum, index);
                self.set_number(target, cell as i64, value);
            }
            Statement::StorePointer(datum, index, pointer) => {
                let index = self.value(frame, index);
                let pointer = self.pointer(frame, pointer);
                let cell = self.cell(*datum, index);
                match &mut self.memory[datum.0] {
                    Content::Functions(functions) => functions[cell] = pointer,
                    other => panic!("{other:?} holds no functions"),
                }
            }
            Statement::If(condition, [yes, no]) => {
                let chosen = if self.value(frame, condition) != 0 {
                    yes
                } else {
                    no
                };
                self.block(frame, chosen);
            }
            Statement::Switch(value, cases) => {
                let value = self.value(frame, value) as u64;
                let last = cases.len() - 1;
                let case = usize::try_from(value).map_or(last, |value| value.min(last));
                self.block(frame, &cases[case]);
            }
            Statement::Repeat(count, block) => {
                for _ in 0..*count {
                    self.block(frame, block);
                }
            }
        }
    }

    fn value(&mut self, frame: &mut Frame, expression: &Expression) -> i64 {
        match expression {
            Expression::Constant(value) => *value,
            Expression::Variable(variable) => frame.variables[*variable],
            Expression::Binary(operator, operands) => {
                let [a, b] = self.both(frame, operands);
                apply(*operator, a, b)
            }
            Expression::Load(datum, index) => {
                let index = self.value(frame, index);
                self.number(*datum, index)
            }
            Expression::LoadThrough(datum, index) => {
                let index = self.value(frame, index);
                let (target, cell) = self.pointee(*datum, index);
                self.number(target, cell as i64)
            }
            Expression::Call(function, arguments) => {
                let arguments = self.both(frame, arguments);
                self.call(*function, None, &arguments)
            }
            Expression::CallPointer(call) => {
                let function = self.pointer(frame, &call.0);
                let arguments = self.both(frame, &call.1);
                self.call(function, None, &arguments)
            }
            Expression::CallWith(function, arguments) => {
                let pointer = self.pointer(frame, &arguments.0);
                let number = self.value(frame, &arguments.1);
                self.call(*function, Some(pointer), &[number])
            }
            Expression::IsSame(pointers) => {
                let [a, b] = [&pointers[0], &pointers[1]].map(|p| self.pointer(frame, p));
                i64::from(a == b)
            }
        }
    }

    fn both(&mut self, frame: &mut Frame, operands: &[Expression; 2]) -> [i64; 2] {
        let first = self.value(frame, &operands[0]);
        [first, self.value(frame, &operands[1])]
    }

    fn pointer(&mut self, frame: &mut Frame, pointer: &Pointer) -> FunctionId {
        match pointer {
            Pointer::Address(function) => *function,
            Pointer::Parameter => frame.parameter.expect("a function that has the parameter"),
            Pointer::Entry(datum, index) => {
                let index = self.value(frame, index);
                let cell = self.cell(*datum, index);
                match &self.memory[datum.0] {
                    Content::Functions(functions) => functions[cell],
                    other => panic!("{other:?} holds no functions"),
                }
            }
        }
    }

    fn cell(&self, datum: DatumId, index: i64) -> usize {
        (index as u64 % self.memory[datum.0].len() as u64) as usize
    }

    fn pointee(&self, datum: DatumId, index: i64) -> (DatumId, usize) {
        match &self.memory[datum.0] {
            Content::Pointers(pointers) => pointers[self.cell(datum, index)],
            other => panic!("{other:?} holds no pointers"),
        }
    }

    fn number(&self, datum: DatumId, index: i64) -> i64 {
        match &self.memory[datum.0] {
            Content::Numbers { cells, .. } => cells[self.cell(datum, index)],
            other => panic!("{other:?} holds no numbers"),
        }
    }

    fn set_number(&mut self, datum: DatumId, index: i64, value: i64) {
        let cell = self.cell(datum, index);
        match &mut self.memory[datum.0] {
            Content::Numbers { width, cells } => {
                cells[cell] = if *width == 4 {
                    i64::from(value as i32)
                } else {
                    value
                }
            }
            other => panic!("{other:?} holds no numbers"),
        }
    }
}

fn apply(operator: Operator, a: i64, b: i64) -> i64 {
    let amount = (b & 63) as u32;
    match operator {
        Operator::Add => a.wrapping_add(b),
        Operator::Subtract => a.wrapping_sub(b),
        Operator::Multiply => a.wrapping_mul(b),
        Operator::MultiplyHigh => ((u128::from(a as u64) * u128::from(b as u64)) >> 64) as i64,
        Operator::Divide => (a as u64 / (b | 1) as u64) as i64,
        Operator::And => a & b,
        Operator::Or => a | b,
        Operator::Xor => a ^ b,
        Operator::ShiftLeft => a << amount,
        Operator::ShiftRight => a >> amount,
        Operator::RotateLeft => a.rotate_left(amount),
        Operator::AddNarrow => i64::from((a as i32).wrapping_add(b as i32)),
        Operator::MultiplyNarrow => i64::from((a as i32).wrapping_mul(b as i32)),
        Operator::AddFloats => (a as f64 + (b as f64 + 0.1)).to_bits() as i64,
        Operator::Less => i64::from(a < b),
        Operator::LessUnsigned => i64::from((a as u64) < b as u64),
        Operator::Equal => i64::from(a == b),
    }
}
