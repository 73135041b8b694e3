//! Objects of a program for one ISA, by cranelift.

use std::collections::HashMap;

use cranelift_codegen::Context;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, BlockArg, FuncRef, GlobalValue, GlobalValueData, InstBuilder, JumpTableData,
    MemFlagsData, SigRef, Signature as IrSignature, Value, types,
};
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Switch, Variable};
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, default_libcall_names};
use cranelift_object::{ObjectBuilder, ObjectModule};

use crate::generate::Random;
use crate::program::{
    Binding, Content, Datum, DatumId, EXHAUSTED, Expression, Function, FunctionId, Operator,
    Pointer, Program, Signature, Statement,
};

/// Ways to compile that change relocations and sections, but no result.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Addresses of what may be in another object come from a global offset table.
    pub is_pic: bool,
    pub is_optimized: bool,
    /// Each function has a section of its own. Data always do.
    pub function_sections: bool,
    /// Global names of the same object are reached as if they were in another one.
    pub far_globals: bool,
}

impl Style {
    /// One by chance.
    pub fn random(random: &mut Random) -> Self {
        Self {
            is_pic: random.once_in(2),
            is_optimized: random.once_in(2),
            function_sections: random.once_in(2),
            far_globals: random.once_in(3),
        }
    }
}

/// Compiles one object of a program.
pub fn object(program: &Program, object: usize, isa: &str, style: Style) -> Vec<u8> {
    let builder = ObjectBuilder::new(
        target(isa, style),
        format!("object{object}"),
        default_libcall_names(),
    );
    let mut builder = builder.expect("an ELF target");
    builder
        .per_function_section(style.function_sections)
        .per_data_object_section(true);
    let mut compiler = Compiler {
        program,
        object,
        style,
        module: ObjectModule::new(builder),
        functions: HashMap::new(),
        data: HashMap::new(),
    };
    let mut context = FunctionBuilderContext::new();
    for (at, function) in program
        .functions
        .iter()
        .enumerate()
        .filter(|(_, f)| f.object == object)
    {
        compiler.function(FunctionId(at), function, &mut context);
    }
    for (at, datum) in program
        .data
        .iter()
        .enumerate()
        .filter(|(_, d)| d.object == object)
    {
        compiler.datum(DatumId(at), datum);
    }
    compiler.module.finish().emit().expect("an object")
}

fn target(isa: &str, style: Style) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    let mut set = |name: &str, value: &str| flags.set(name, value).expect("a setting of cranelift");
    set("is_pic", if style.is_pic { "true" } else { "false" });
    set(
        "opt_level",
        if style.is_optimized { "speed" } else { "none" },
    );
    let isa = if isa == "riscv64" { "riscv64gc" } else { isa };
    let triple = format!("{isa}-unknown-linux-gnu")
        .parse()
        .expect("a triple");
    let builder = isa::lookup(triple).expect("a target of cranelift");
    builder
        .finish(settings::Flags::new(flags))
        .expect("settings of the target")
}

struct Compiler<'p> {
    program: &'p Program,
    object: usize,
    style: Style,
    module: ObjectModule,
    functions: HashMap<FunctionId, FuncId>,
    data: HashMap<DatumId, DataId>,
}

fn linkage(binding: Binding, is_here: bool) -> Linkage {
    match binding {
        Binding::Local => Linkage::Local,
        _ if !is_here => Linkage::Import,
        Binding::Global => Linkage::Export,
        Binding::Hidden => Linkage::Hidden,
        Binding::Weak => Linkage::Preemptible,
    }
}

impl Compiler<'_> {
    fn signature(&self) -> IrSignature {
        // Both kinds take two words; a callback comes first.
        let mut signature = self.module.make_signature();
        signature.params = vec![AbiParam::new(types::I64); 2];
        signature.returns = vec![AbiParam::new(types::I64)];
        signature
    }

    fn function_id(&mut self, id: FunctionId) -> FuncId {
        let signature = self.signature();
        let function = &self.program.functions[id.0];
        let linkage = linkage(function.binding, function.object == self.object);
        *self.functions.entry(id).or_insert_with(|| {
            let declared = self
                .module
                .declare_function(&function.name, linkage, &signature);
            declared.expect("a new name")
        })
    }

    fn data_id(&mut self, id: DatumId) -> DataId {
        let datum = &self.program.data[id.0];
        let linkage = linkage(datum.binding, datum.object == self.object);
        *self.data.entry(id).or_insert_with(|| {
            let declared = self
                .module
                .declare_data(&datum.name, linkage, datum.is_writable, false);
            declared.expect("a new name")
        })
    }

    fn datum(&mut self, id: DatumId, datum: &Datum) {
        let mut description = DataDescription::new();
        let width = datum.content.width();
        description.set_align(width as u64);
        match &datum.content {
            Content::Numbers { cells, .. } if cells.iter().all(|cell| *cell == 0) => {
                description.define_zeroinit(cells.len() * width);
            }
            Content::Numbers { cells, .. } => {
                let bytes = cells
                    .iter()
                    .flat_map(|cell| cell.to_le_bytes().into_iter().take(width));
                description.define(bytes.collect());
            }
            Content::Functions(functions) => {
                description.define(vec![0; functions.len() * 8].into());
                for (at, function) in functions.iter().enumerate() {
                    let function = self.function_id(*function);
                    let function = self.module.declare_func_in_data(function, &mut description);
                    description.write_function_addr(8 * at as u32, function);
                }
            }
            Content::Pointers(pointers) => {
                description.define(vec![0; pointers.len() * 8].into());
                for (at, (datum, cell)) in pointers.iter().enumerate() {
                    let target = self.data_id(*datum);
                    let target = self.module.declare_data_in_data(target, &mut description);
                    description.write_data_addr(8 * at as u32, target, 8 * *cell as i64);
                }
            }
        }
        let id = self.data_id(id);
        self.module.define_data(id, &description).expect("a datum");
    }

    fn function(
        &mut self,
        id: FunctionId,
        function: &Function,
        context: &mut FunctionBuilderContext,
    ) {
        let declared = self.function_id(id);
        let mut code = Context::new();
        code.func.signature = self.signature();
        let mut builder = FunctionBuilder::new(&mut code.func, context);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        let parameters = builder.block_params(entry).to_vec();
        let signature = builder.import_signature(self.signature());
        let mut body = Body {
            compiler: self,
            builder,
            variables: Vec::new(),
            parameter: parameters[0],
            signature,
            functions: HashMap::new(),
            data: HashMap::new(),
        };
        let numbers = match function.signature {
            Signature::Numbers => &parameters[..],
            Signature::Callback => &parameters[1..],
        };
        body.prologue(function, numbers);
        body.block(&function.body);
        let result = body.value(&function.result);
        body.builder.ins().return_(&[result]);
        body.builder.seal_all_blocks();
        let frontend = body.compiler.module.target_config();
        body.builder.finalize(frontend);
        self.module
            .define_function(declared, &mut code)
            .expect("a function");
    }
}

/// A function that is being compiled.
struct Body<'c, 'p, 'f> {
    compiler: &'c mut Compiler<'p>,
    builder: FunctionBuilder<'f>,
    variables: Vec<Variable>,
    parameter: Value,
    signature: SigRef,
    functions: HashMap<FunctionId, FuncRef>,
    data: HashMap<DatumId, GlobalValue>,
}

impl Body<'_, '_, '_> {
    fn prologue(&mut self, function: &Function, numbers: &[Value]) {
        for at in 0..function.variables {
            let variable = self.builder.declare_var(types::I64);
            let value = match numbers.get(at) {
                Some(number) => *number,
                None => self.constant(0),
            };
            self.builder.def_var(variable, value);
            self.variables.push(variable);
        }
        if !function.is_limited {
            return;
        }
        let budget = self.compiler.program.budget;
        let zero = self.constant(0);
        let address = self.cell(budget, zero);
        let left = self
            .builder
            .ins()
            .load(types::I64, MemFlagsData::new(), address, 0);
        let left = self.builder.ins().iadd_imm_s(left, -1);
        self.builder
            .ins()
            .store(MemFlagsData::new(), left, address, 0);
        let (go_on, stop) = (self.builder.create_block(), self.builder.create_block());
        let is_over = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, left, 0);
        self.builder
            .ins()
            .brif(is_over, stop, &[] as &[BlockArg], go_on, &[]);
        self.builder.switch_to_block(stop);
        let exhausted = self.constant(EXHAUSTED);
        self.builder.ins().return_(&[exhausted]);
        self.builder.switch_to_block(go_on);
    }

    fn constant(&mut self, value: i64) -> Value {
        self.builder.ins().iconst(types::I64, value)
    }

    fn callee(&mut self, id: FunctionId) -> FuncRef {
        if let Some(known) = self.functions.get(&id) {
            return *known;
        }
        let function = self.compiler.function_id(id);
        let callee = self
            .compiler
            .module
            .declare_func_in_func(function, self.builder.func);
        if self.is_far(self.compiler.program.functions[id.0].binding) {
            self.builder.func.dfg.ext_funcs[callee].colocated = false;
        }
        self.functions.insert(id, callee);
        callee
    }

    fn is_far(&self, binding: Binding) -> bool {
        self.compiler.style.far_globals && binding != Binding::Local
    }

    /// Address of a cell, the index taken modulo the length.
    fn cell(&mut self, id: DatumId, index: Value) -> Value {
        let program = self.compiler.program;
        let datum = &program.data[id.0];
        let global = match self.data.get(&id) {
            Some(known) => *known,
            None => {
                let declared = self.compiler.data_id(id);
                let global = self
                    .compiler
                    .module
                    .declare_data_in_func(declared, self.builder.func);
                if let (true, GlobalValueData::Symbol { colocated, .. }) = (
                    self.is_far(datum.binding),
                    &mut self.builder.func.global_values[global],
                ) {
                    *colocated = false;
                }
                self.data.insert(id, global);
                global
            }
        };
        let length = self.constant(datum.content.len() as i64);
        let index = self.builder.ins().urem(index, length);
        let offset = self
            .builder
            .ins()
            .imul_imm_s(index, datum.content.width() as i64);
        let base = self.builder.ins().symbol_value(types::I64, global);
        self.builder.ins().iadd(base, offset)
    }

    fn load(&mut self, datum: DatumId, address: Value) -> Value {
        let narrow = self.compiler.program.data[datum.0].content.width() == 4;
        let ins = self.builder.ins();
        if narrow {
            ins.sload32(MemFlagsData::new(), address, 0)
        } else {
            ins.load(types::I64, MemFlagsData::new(), address, 0)
        }
    }

    fn store(&mut self, datum: DatumId, value: Value, address: Value) {
        let narrow = self.compiler.program.data[datum.0].content.width() == 4;
        let ins = self.builder.ins();
        if narrow {
            ins.istore32(MemFlagsData::new(), value, address, 0);
        } else {
            ins.store(MemFlagsData::new(), value, address, 0);
        }
    }

    fn block(&mut self, block: &[Statement]) {
        for statement in block {
            self.step(statement);
        }
    }

    fn step(&mut self, statement: &Statement) {
        match statement {
            Statement::Set(variable, value) => {
                let value = self.value(value);
                self.builder.def_var(self.variables[*variable], value);
            }
            Statement::Store(datum, index, value) => {
                let (index, value) = (self.value(index), self.value(value));
                let address = self.cell(*datum, index);
                self.store(*datum, value, address);
            }
            Statement::StoreThrough(datum, index, value) => {
                let (index, value) = (self.value(index), self.value(value));
                let address = self.cell(*datum, index);
                let target = self.load(*datum, address);
                self.builder
                    .ins()
                    .store(MemFlagsData::new(), value, target, 0);
            }
            Statement::StorePointer(datum, index, pointer) => {
                let (index, pointer) = (self.value(index), self.pointer(pointer));
                let address = self.cell(*datum, index);
                self.store(*datum, pointer, address);
            }
            Statement::If(condition, branches) => self.branch(condition, branches),
            Statement::Switch(value, cases) => self.switch(value, cases),
            Statement::Repeat(count, block) => self.repeat(*count, block),
        }
    }

    fn branch(&mut self, condition: &Expression, [yes, no]: &[Vec<Statement>; 2]) {
        let condition = self.value(condition);
        let blocks = [(); 3].map(|()| self.builder.create_block());
        let [first, second, join] = blocks;
        self.builder
            .ins()
            .brif(condition, first, &[] as &[BlockArg], second, &[]);
        for (block, statements) in [(first, yes), (second, no)] {
            self.builder.switch_to_block(block);
            self.block(statements);
            self.builder.ins().jump(join, &[]);
        }
        self.builder.switch_to_block(join);
    }

    /// By a jump table, or by what cranelift thinks best of cases.
    fn switch(&mut self, value: &Expression, cases: &[Vec<Statement>]) {
        let value = self.value(value);
        let blocks: Vec<_> = cases.iter().map(|_| self.builder.create_block()).collect();
        let join = self.builder.create_block();
        let (last, others) = blocks.split_last().expect("a last case");
        if self.compiler.style.is_optimized {
            let mut switch = Switch::new();
            for (at, block) in others.iter().enumerate() {
                switch.set_entry(at as u128, *block);
            }
            switch.emit(&mut self.builder, value, *last);
        } else {
            let narrow = self.builder.ins().ireduce(types::I32, value);
            let pool = &mut self.builder.func.dfg.value_lists;
            let mut call = |block: &cranelift_codegen::ir::Block| {
                cranelift_codegen::ir::BlockCall::new(*block, [], pool)
            };
            let table: Vec<_> = others.iter().map(&mut call).collect();
            let table = JumpTableData::new(call(last), &table);
            let table = self.builder.create_jump_table(table);
            self.builder.ins().br_table(narrow, table);
        }
        for (block, statements) in blocks.iter().zip(cases) {
            self.builder.switch_to_block(*block);
            self.block(statements);
            self.builder.ins().jump(join, &[]);
        }
        self.builder.switch_to_block(join);
    }

    fn repeat(&mut self, count: u64, statements: &[Statement]) {
        let counter = self.builder.declare_var(types::I64);
        let count = self.constant(count as i64);
        self.builder.def_var(counter, count);
        let (body, join) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().jump(body, &[]);
        self.builder.switch_to_block(body);
        self.block(statements);
        let left = self.builder.use_var(counter);
        let left = self.builder.ins().iadd_imm_s(left, -1);
        self.builder.def_var(counter, left);
        self.builder
            .ins()
            .brif(left, body, &[] as &[BlockArg], join, &[]);
        self.builder.switch_to_block(join);
    }

    fn pointer(&mut self, pointer: &Pointer) -> Value {
        match pointer {
            Pointer::Address(function) => {
                let function = self.callee(*function);
                self.builder.ins().func_addr(types::I64, function)
            }
            Pointer::Parameter => self.parameter,
            Pointer::Entry(datum, index) => {
                let index = self.value(index);
                let address = self.cell(*datum, index);
                self.load(*datum, address)
            }
        }
    }

    fn value(&mut self, expression: &Expression) -> Value {
        match expression {
            Expression::Constant(value) => self.constant(*value),
            Expression::Variable(variable) => self.builder.use_var(self.variables[*variable]),
            Expression::Binary(operator, operands) => {
                let [a, b] = self.both(operands);
                self.apply(*operator, a, b)
            }
            Expression::Load(datum, index) => {
                let index = self.value(index);
                let address = self.cell(*datum, index);
                self.load(*datum, address)
            }
            Expression::LoadThrough(datum, index) => {
                let index = self.value(index);
                let address = self.cell(*datum, index);
                let target = self.load(*datum, address);
                self.builder
                    .ins()
                    .load(types::I64, MemFlagsData::new(), target, 0)
            }
            Expression::Call(function, arguments) => {
                let arguments = self.both(arguments);
                self.call(*function, &arguments)
            }
            Expression::CallPointer(call) => {
                let function = self.pointer(&call.0);
                let arguments = self.both(&call.1);
                let call = self
                    .builder
                    .ins()
                    .call_indirect(self.signature, function, &arguments);
                self.builder.inst_results(call)[0]
            }
            Expression::CallWith(function, arguments) => {
                let arguments = [self.pointer(&arguments.0), self.value(&arguments.1)];
                self.call(*function, &arguments)
            }
            Expression::IsSame(pointers) => {
                let [a, b] = [&pointers[0], &pointers[1]].map(|pointer| self.pointer(pointer));
                self.compare(IntCC::Equal, a, b)
            }
        }
    }

    fn both(&mut self, operands: &[Expression; 2]) -> [Value; 2] {
        [&operands[0], &operands[1]].map(|operand| self.value(operand))
    }

    fn call(&mut self, function: FunctionId, arguments: &[Value]) -> Value {
        let function = self.callee(function);
        let call = self.builder.ins().call(function, arguments);
        self.builder.inst_results(call)[0]
    }

    fn compare(&mut self, condition: IntCC, a: Value, b: Value) -> Value {
        let is = self.builder.ins().icmp(condition, a, b);
        self.builder.ins().uextend(types::I64, is)
    }

    fn apply(&mut self, operator: Operator, a: Value, b: Value) -> Value {
        match operator {
            Operator::Add => self.builder.ins().iadd(a, b),
            Operator::Subtract => self.builder.ins().isub(a, b),
            Operator::Multiply => self.builder.ins().imul(a, b),
            Operator::MultiplyHigh => self.builder.ins().umulhi(a, b),
            Operator::Divide => {
                let divisor = self.builder.ins().bor_imm_s(b, 1);
                self.builder.ins().udiv(a, divisor)
            }
            Operator::And => self.builder.ins().band(a, b),
            Operator::Or => self.builder.ins().bor(a, b),
            Operator::Xor => self.builder.ins().bxor(a, b),
            Operator::ShiftLeft => self.builder.ins().ishl(a, b),
            Operator::ShiftRight => self.builder.ins().sshr(a, b),
            Operator::RotateLeft => self.builder.ins().rotl(a, b),
            Operator::AddNarrow | Operator::MultiplyNarrow => {
                let [a, b] = [a, b].map(|v| self.builder.ins().ireduce(types::I32, v));
                let ins = self.builder.ins();
                let narrow = if operator == Operator::AddNarrow {
                    ins.iadd(a, b)
                } else {
                    ins.imul(a, b)
                };
                self.builder.ins().sextend(types::I64, narrow)
            }
            Operator::AddFloats => {
                let [a, b] = [a, b].map(|v| self.builder.ins().fcvt_from_sint(types::F64, v));
                let tenth = self.builder.ins().f64const(0.1);
                let b = self.builder.ins().fadd(b, tenth);
                let sum = self.builder.ins().fadd(a, b);
                self.builder
                    .ins()
                    .bitcast(types::I64, MemFlagsData::new(), sum)
            }
            Operator::Less => self.compare(IntCC::SignedLessThan, a, b),
            Operator::LessUnsigned => self.compare(IntCC::UnsignedLessThan, a, b),
            Operator::Equal => self.compare(IntCC::Equal, a, b),
        }
    }
}
