//! Random programs from a seed.
//!
//! Everything that depends on chance comes from one stream of numbers, so a seed and a size make a program again.

use crate::program::{
    Binding, Content, Datum, DatumId, Expression, Function, FunctionId, OPERATORS, Operator,
    Pointer, Program, Signature, Statement,
};

/// xorshift64*, after a step of splitmix64 that spreads small seeds.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((state ^ (state >> 31)) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 16) % bound as u64) as usize
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// How large a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub objects: usize,
    pub functions: usize,
    pub data: usize,
    pub statements: usize,
}

impl Size {
    /// That of the tests.
    pub const FULL: Self = Self {
        objects: 4,
        functions: 24,
        data: 16,
        statements: 6,
    };

    /// Half of one of its four parts, where there is something to halve.
    pub fn smaller(self) -> Vec<Self> {
        let halves = [
            Self {
                objects: self.objects.div_ceil(2),
                ..self
            },
            Self {
                functions: self.functions.div_ceil(2),
                ..self
            },
            Self {
                data: self.data.div_ceil(2),
                ..self
            },
            Self {
                statements: self.statements.div_ceil(2),
                ..self
            },
        ];
        halves.into_iter().filter(|half| *half != self).collect()
    }
}

struct Generator {
    random: Random,
    size: Size,
    program: Program,
}

/// Where an expression stands.
#[derive(Clone, Copy)]
struct Place {
    object: usize,
    signature: Signature,
    variables: usize,
}

/// Calls that a program may make before all functions return at once.
const BUDGET: i64 = 300;

/// The program of a seed.
pub fn generate(seed: u64, size: Size) -> Program {
    let mut generator = Generator {
        random: Random::new(seed),
        size,
        program: Program {
            objects: size.objects,
            functions: Vec::new(),
            data: Vec::new(),
            budget: DatumId(0),
            main: FunctionId(0),
        },
    };
    generator.declare_functions();
    generator.data();
    for function in 0..generator.program.functions.len() {
        generator.body(FunctionId(function));
    }
    generator.main();
    generator.program
}

impl Generator {
    fn binding(&mut self) -> Binding {
        let all = [
            Binding::Local,
            Binding::Local,
            Binding::Global,
            Binding::Global,
            Binding::Hidden,
            Binding::Weak,
        ];
        self.random.pick(&all)
    }

    fn name(&mut self, kind: &str, at: usize, object: usize, binding: Binding) -> String {
        let taken = |program: &Program, name: &str| {
            let functions = program.functions.iter().map(|f| (&f.name, f.object));
            let data = program.data.iter().map(|d| (&d.name, d.object));
            functions
                .chain(data)
                .any(|taken| taken == (&name.to_owned(), object))
        };
        // Names of other objects' locals again and again.
        let local = format!("local_{kind}{}", self.random.below(3));
        if binding == Binding::Local && !taken(&self.program, &local) {
            local
        } else {
            format!("{kind}{at}")
        }
    }

    fn declare_functions(&mut self) {
        for at in 0..self.size.functions.max(2 * self.size.objects) {
            // Each object has one of each kind that all others can call.
            let (object, first) = (at % self.size.objects, at < 2 * self.size.objects);
            let binding = if first {
                Binding::Global
            } else {
                self.binding()
            };
            let callback = if first {
                at >= self.size.objects
            } else {
                self.random.once_in(4)
            };
            let name = self.name("f", at, object, binding);
            let function = Function {
                name,
                object,
                binding,
                signature: if callback {
                    Signature::Callback
                } else {
                    Signature::Numbers
                },
                is_limited: true,
                variables: 2 + self.random.below(4),
                body: Vec::new(),
                result: Expression::Constant(0),
            };
            self.program.functions.push(function);
        }
    }

    fn data(&mut self) {
        self.program.data.push(Datum {
            name: "budget".to_owned(),
            object: 0,
            binding: Binding::Global,
            is_writable: true,
            content: Content::Numbers {
                width: 8,
                cells: vec![BUDGET],
            },
        });
        for at in 1..=self.size.data.max(3) {
            // One of each kind that all can use, whatever chance says.
            let first = at <= 3;
            let object = if first {
                0
            } else {
                self.random.below(self.size.objects)
            };
            let content = match if first { at - 1 } else { self.random.below(5) } {
                1 => Content::Functions(self.functions_of(object)),
                2 => Content::Pointers(self.pointers_of(object)),
                kind => self.numbers(if kind == 0 { 8 } else { 4 }),
            };
            let binding = if first {
                Binding::Global
            } else {
                self.binding()
            };
            let name = self.name("d", at, object, binding);
            let is_writable = first || !self.random.once_in(3);
            self.program.data.push(Datum {
                name,
                object,
                binding,
                is_writable,
                content,
            });
        }
    }

    fn numbers(&mut self, width: usize) -> Content {
        let zero = self.random.once_in(3);
        let cells = (0..1 + self.random.below(9)).map(|_| match width {
            _ if zero => 0,
            4 => i64::from(self.random.next() as i32),
            _ => self.random.next() as i64,
        });
        Content::Numbers {
            width,
            cells: cells.collect(),
        }
    }

    fn functions_of(&mut self, object: usize) -> Vec<FunctionId> {
        (0..1 + self.random.below(6))
            .map(|_| self.function(object, Signature::Numbers))
            .collect()
    }

    fn pointers_of(&mut self, object: usize) -> Vec<(DatumId, usize)> {
        let wide = |datum: &Datum| {
            datum.is_writable && matches!(datum.content, Content::Numbers { width: 8, .. })
        };
        let count = 1 + self.random.below(5);
        (0..count)
            .map(|_| {
                let datum = self.datum(object, wide);
                let cells = self.program.data[datum.0].content.len();
                (datum, self.random.below(cells))
            })
            .collect()
    }

    /// A function that an object can name.
    fn function(&mut self, object: usize, signature: Signature) -> FunctionId {
        let functions = self.program.functions.iter().enumerate();
        let known = functions.filter(|(_, f)| {
            f.signature == signature && (f.object == object || f.binding != Binding::Local)
        });
        let known: Vec<_> = known.map(|(at, _)| FunctionId(at)).collect();
        self.random.pick(&known)
    }

    /// A datum of a kind that an object can name. The budget is nobody's but the functions' own.
    fn datum(&mut self, object: usize, kind: impl Fn(&Datum) -> bool) -> DatumId {
        let data = self.program.data.iter().enumerate().skip(1);
        let known =
            data.filter(|(_, d)| kind(d) && (d.object == object || d.binding != Binding::Local));
        let known: Vec<_> = known.map(|(at, _)| DatumId(at)).collect();
        self.random.pick(&known)
    }

    fn body(&mut self, id: FunctionId) {
        let function = &self.program.functions[id.0];
        let place = Place {
            object: function.object,
            signature: function.signature,
            variables: function.variables,
        };
        let body = self.block(place, 2);
        let result = self.expression(place, 2);
        let function = &mut self.program.functions[id.0];
        (function.body, function.result) = (body, result);
    }

    fn block(&mut self, place: Place, depth: usize) -> Vec<Statement> {
        let count = 1 + self.random.below(self.size.statements);
        (0..count).map(|_| self.statement(place, depth)).collect()
    }

    fn statement(&mut self, place: Place, depth: usize) -> Statement {
        let number = |d: &Datum| d.is_writable && matches!(d.content, Content::Numbers { .. });
        let table = |d: &Datum| d.is_writable && matches!(d.content, Content::Functions(_));
        let pointers = |d: &Datum| matches!(d.content, Content::Pointers(_));
        match self.random.below(if depth == 0 { 5 } else { 8 }) {
            0 | 1 => {
                let variable = self.random.below(place.variables);
                Statement::Set(variable, self.expression(place, 2))
            }
            2 => {
                let datum = self.datum(place.object, number);
                let index = self.expression(place, 1);
                Statement::Store(datum, index, self.expression(place, 2))
            }
            3 => {
                let datum = self.datum(place.object, pointers);
                let index = self.expression(place, 1);
                Statement::StoreThrough(datum, index, self.expression(place, 2))
            }
            4 => {
                let datum = self.datum(place.object, table);
                let index = self.expression(place, 1);
                Statement::StorePointer(datum, index, self.pointer(place, 1))
            }
            5 => {
                let condition = self.expression(place, 2);
                let yes = self.block(place, depth - 1);
                Statement::If(condition, [yes, self.block(place, depth - 1)])
            }
            6 => {
                let count = 2 + self.random.below(12);
                let value = self.expression(place, 1);
                // Small enough to meet a case.
                let value = binary(Operator::And, value, Expression::Constant(15));
                let cases = (0..count).map(|_| vec![self.statement(place, depth - 1)]);
                Statement::Switch(value, cases.collect())
            }
            _ => Statement::Repeat(
                1 + self.random.below(3) as u64,
                self.block(place, depth - 1),
            ),
        }
    }

    fn expression(&mut self, place: Place, depth: usize) -> Expression {
        let number = |d: &Datum| matches!(d.content, Content::Numbers { .. });
        let pointers = |d: &Datum| matches!(d.content, Content::Pointers(_));
        match self.random.below(if depth == 0 { 3 } else { 10 }) {
            0 => Expression::Constant(self.constant()),
            1 | 2 => Expression::Variable(self.random.below(place.variables)),
            3 | 4 => {
                let operator = self.random.pick(&OPERATORS);
                let first = self.expression(place, depth - 1);
                binary(operator, first, self.expression(place, depth - 1))
            }
            5 => {
                let datum = self.datum(place.object, number);
                Expression::Load(datum, Box::new(self.expression(place, depth - 1)))
            }
            6 => {
                let datum = self.datum(place.object, pointers);
                Expression::LoadThrough(datum, Box::new(self.expression(place, depth - 1)))
            }
            7 => {
                let function = self.function(place.object, Signature::Numbers);
                Expression::Call(function, self.arguments(place, depth).into())
            }
            8 => {
                let pointer = self.pointer(place, depth - 1);
                Expression::CallPointer(Box::new((pointer, self.arguments(place, depth))))
            }
            _ if self.random.once_in(2) => {
                let first = self.pointer(place, depth - 1);
                Expression::IsSame(Box::new([first, self.pointer(place, depth - 1)]))
            }
            _ => {
                let function = self.function(place.object, Signature::Callback);
                let pointer = self.pointer(place, depth - 1);
                let number = self.expression(place, depth - 1);
                Expression::CallWith(function, Box::new((pointer, number)))
            }
        }
    }

    fn arguments(&mut self, place: Place, depth: usize) -> [Expression; 2] {
        let first = self.expression(place, depth - 1);
        [first, self.expression(place, depth - 1)]
    }

    fn constant(&mut self) -> i64 {
        match self.random.below(3) {
            0 => self.random.below(20) as i64,
            1 => i64::from(self.random.next() as i32),
            _ => self.random.next() as i64,
        }
    }

    fn pointer(&mut self, place: Place, depth: usize) -> Pointer {
        match self.random.below(4) {
            0 | 1 if place.signature == Signature::Callback => Pointer::Parameter,
            0 | 2 => Pointer::Address(self.function(place.object, Signature::Numbers)),
            _ => {
                let table = |d: &Datum| matches!(d.content, Content::Functions(_));
                let datum = self.datum(place.object, table);
                Pointer::Entry(datum, Box::new(self.expression(place, depth)))
            }
        }
    }

    /// Calls a function of each kind, then mixes all that each object's data became.
    fn main(&mut self) {
        let place = Place {
            object: 0,
            signature: Signature::Numbers,
            variables: 3,
        };
        let mut body: Vec<_> = (0..8).map(|_| self.statement(place, 2)).collect();
        body.extend((0..6).map(|_| {
            let function = self.function(0, Signature::Numbers);
            let arguments = self.arguments(place, 1);
            let call = Expression::Call(function, arguments.into());
            mix(call)
        }));
        for object in 0..self.size.objects {
            let id = self.sum_of(object);
            let nothing = [Expression::Constant(0), Expression::Constant(0)];
            body.push(mix(Expression::Call(id, nothing.into())));
        }
        self.program.main = FunctionId(self.program.functions.len());
        self.program.functions.push(Function {
            name: "run".to_owned(),
            object: 0,
            binding: Binding::Global,
            signature: Signature::Numbers,
            is_limited: false,
            variables: place.variables,
            body,
            result: Expression::Variable(MIXED),
        });
    }

    /// A function that mixes all cells of an object's data.
    fn sum_of(&mut self, object: usize) -> FunctionId {
        let mut body = Vec::new();
        for (at, datum) in self.program.data.iter().enumerate() {
            if datum.object != object {
                continue;
            }
            for cell in 0..datum.content.len() {
                let index = Box::new(Expression::Constant(cell as i64));
                let value = match &datum.content {
                    Content::Numbers { .. } => Expression::Load(DatumId(at), index),
                    Content::Pointers(_) => Expression::LoadThrough(DatumId(at), index),
                    Content::Functions(functions) => Expression::IsSame(Box::new([
                        Pointer::Entry(DatumId(at), index),
                        Pointer::Address(functions[0]),
                    ])),
                };
                body.push(mix(value));
            }
        }
        self.program.functions.push(Function {
            name: format!("sum{object}"),
            object,
            binding: Binding::Global,
            signature: Signature::Numbers,
            is_limited: false,
            variables: 3,
            body,
            result: Expression::Variable(MIXED),
        });
        FunctionId(self.program.functions.len() - 1)
    }
}

/// The variable that collects a result.
const MIXED: usize = 2;

/// Mixes a value into the result.
fn mix(value: Expression) -> Statement {
    let rotated = binary(
        Operator::RotateLeft,
        Expression::Variable(MIXED),
        Expression::Constant(7),
    );
    Statement::Set(MIXED, binary(Operator::Add, rotated, value))
}

fn binary(operator: Operator, first: Expression, second: Expression) -> Expression {
    Expression::Binary(operator, Box::new([first, second]))
}
