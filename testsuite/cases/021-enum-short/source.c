enum state { IDLE, BUSY };
struct job { enum state state; } job;
