//! A small language for random programs: what it has is what a linker moves around.
//!
//! Every behaviour is defined: integers wrap, indexes are taken modulo the length, and each function of a program
//! first takes one from a budget in shared memory, so that any graph of calls ends.

/// A function of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub usize);

/// A datum of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DatumId(pub usize);

/// How a name is known to other objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Not at all; other objects may have the same name.
    Local,
    Global,
    /// As global, in an image of its own.
    Hidden,
    Weak,
}

/// What a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Two numbers.
    Numbers,
    /// A pointer to a function of two numbers, and a number.
    Callback,
}

/// A function: both kinds return a number.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    pub object: usize,
    pub binding: Binding,
    pub signature: Signature,
    /// Stops when the budget is used up.
    pub is_limited: bool,
    /// Number of its variables; the first ones are the numbers among its parameters.
    pub variables: usize,
    pub body: Vec<Statement>,
    pub result: Expression,
}

/// A static.
#[derive(Clone, Debug)]
pub struct Datum {
    pub name: String,
    pub object: usize,
    pub binding: Binding,
    pub is_writable: bool,
    pub content: Content,
}

/// What a static holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Integers of 4 or 8 bytes, read as signed.
    Numbers { width: usize, cells: Vec<i64> },
    /// Pointers to functions of two numbers.
    Functions(Vec<FunctionId>),
    /// Pointers to cells of 8 bytes.
    Pointers(Vec<(DatumId, usize)>),
}

impl Content {
    /// Number of cells.
    pub fn len(&self) -> usize {
        match self {
            Content::Numbers { cells, .. } => cells.len(),
            Content::Functions(functions) => functions.len(),
            Content::Pointers(pointers) => pointers.len(),
        }
    }

    /// Bytes of a cell.
    pub fn width(&self) -> usize {
        match self {
            Content::Numbers { width, .. } => *width,
            Content::Functions(_) | Content::Pointers(_) => 8,
        }
    }
}

/// What two numbers become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    MultiplyHigh,
    /// By a divisor that is never 0.
    Divide,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    RotateLeft,
    /// In 32 bits, sign-extended.
    AddNarrow,
    MultiplyNarrow,
    /// The bits of a sum of floats.
    AddFloats,
    Less,
    LessUnsigned,
    Equal,
}

/// All of them.
pub const OPERATORS: [Operator; 17] = [
    Operator::Add,
    Operator::Subtract,
    Operator::Multiply,
    Operator::MultiplyHigh,
    Operator::Divide,
    Operator::And,
    Operator::Or,
    Operator::Xor,
    Operator::ShiftLeft,
    Operator::ShiftRight,
    Operator::RotateLeft,
    Operator::AddNarrow,
    Operator::MultiplyNarrow,
    Operator::AddFloats,
    Operator::Less,
    Operator::LessUnsigned,
    Operator::Equal,
];

/// A number. Operands are evaluated from left to right, a called function before its arguments.
#[derive(Clone, Debug)]
pub enum Expression {
    Constant(i64),
    Variable(usize),
    Binary(Operator, Box<[Expression; 2]>),
    /// A cell of numbers.
    Load(DatumId, Box<Expression>),
    /// The number that a cell of pointers points to.
    LoadThrough(DatumId, Box<Expression>),
    Call(FunctionId, Box<[Expression; 2]>),
    CallPointer(Box<(Pointer, [Expression; 2])>),
    /// A function that takes a callback.
    CallWith(FunctionId, Box<(Pointer, Expression)>),
    /// 1 or 0.
    IsSame(Box<[Pointer; 2]>),
}

/// A pointer to a function of two numbers.
#[derive(Clone, Debug)]
pub enum Pointer {
    Address(FunctionId),
    Entry(DatumId, Box<Expression>),
    /// What the function was given.
    Parameter,
}

/// A step.
#[derive(Clone, Debug)]
pub enum Statement {
    Set(usize, Expression),
    Store(DatumId, Expression, Expression),
    StoreThrough(DatumId, Expression, Expression),
    StorePointer(DatumId, Expression, Pointer),
    If(Expression, [Vec<Statement>; 2]),
    /// The case of the number, the last one for all others.
    Switch(Expression, Vec<Vec<Statement>>),
    Repeat(u64, Vec<Statement>),
}

/// A program.
#[derive(Clone, Debug)]
pub struct Program {
    pub objects: usize,
    pub functions: Vec<Function>,
    pub data: Vec<Datum>,
    /// Where the budget is: one cell of numbers.
    pub budget: DatumId,
    /// Called first, with 1 and 2; what it returns is the program's result.
    pub main: FunctionId,
}

/// What a function returns when the budget is used up.
pub const EXHAUSTED: i64 = 0x5eed;
