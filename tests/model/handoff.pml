/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hand-off of a domain, from the suspend on, as the code does it:
 *
 *   worker    engine/source_switch.c, source.c     at host S
 *   guardian  engine/guard.c, host.c (xlm_guard)   at host S
 *   receiver  engine/dest.c, dest_end.c            at host D
 *   xl        toolstack_libxl_restore.c drives it  at host D
 *   operator  engine/recover.c: xl lmigrate-recover at S, which asks D
 *
 * A step of a process is what is between two points where it can be killed.
 * Messages are delayed at will; a cut loses what is under way, and nothing
 * passes on that session's channel any more.  Every wait with a limit may end
 * at it at any time.  Each of FAULTS faults is the death of one process, a cut,
 * a host's power cut, or something that fails at D (xl cannot start the domain,
 * the clean-up fails, the mark cannot be written, recover finds no way to D).
 *
 * xl renames the domain, reports, and leaves it paused.  Only then the receiver
 * notes GO, and takes its pauses back, one by one; a look does in place of a dead
 * receiver what that would have done (engine/recover_look.c).  Somebody's stray
 * "xl unpause" at D, any time, is a fault too: it must start nothing.
 *
 * Not modelled: a domain that comes back to S.
 *
 * A host crash takes its processes, domains and locks, and of S's journal what
 * was not synced: that may be on the disk, or the phase before it.  Both may boot,
 * any time; S then starts the domain afresh, as xendomains does, unless its
 * journal keeps it from that.
 *
 *   SESSIONS   1, or 2: a domain that was resumed may be moved again
 *   FAULTS     how many
 *   BREAK_*    a rule that is broken on purpose: must be caught
 */
#ifndef SESSIONS
#define SESSIONS 1
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define NS 3 /* sessions are 1 and 2 */

mtype = { TAIL, READY, PERMIT, COMMIT, RUNNING, NOT_RUNNING,
          ABORT, ABORTED, BYE };

/* toolstack/phases.h: SENT, and the guardian's last note. */
#define P_NONE       0
#define P_SUSPENDING 1
#define P_RENAMED    2
#define P_PERMITTED  3
#define P_COMMITTED  4
#define P_RUNNING    5
#define P_MOVED      6
#define P_DONE       7 /* only a note */

/* toolstack/phases.h: RECEIVED. */
#define R_NONE     0
#define R_BUILDING 1
#define R_GO       2
#define R_RUNS     3
#define R_NEVER    4

/* toolstack/phases.h: who may run it. */
#define SOURCE_MAY(p)      ((p) == P_SUSPENDING || (p) == P_RENAMED)
#define UNKNOWN_MAY(p)     ((p) == P_PERMITTED)
#define DESTINATION_MAY(p) ((p) == P_COMMITTED || (p) == P_RUNNING || \
                            (p) == P_MOVED)
#define R_SOURCE_MAY(r)      ((r) == R_BUILDING || (r) == R_NEVER)
#define R_DESTINATION_MAY(r) ((r) == R_GO || (r) == R_RUNS)

/* engine/journal.h, of a host that has booted since. */
#define KEPT(p) (UNKNOWN_MAY(p) || DESTINATION_MAY(p))
#define OPEN(p) (KEPT(p) && (p) != P_MOVED)
#ifdef BREAK_START_WITHOUT_JOURNAL
#define KEPT_FROM_START false
#else
#define KEPT_FROM_START KEPT(mark_s)
#endif

/* engine/recover.h */
#define F_NONE    0
#define F_NEVER   1
#define F_RUNS    2
#define F_RAN     3
#define F_BUSY    4
#define F_LEFT    5
#define F_UNKNOWN 7

/* Host S. */
#define S_RUN  1
#define S_SUSP 2
#define S_GONE 3
byte dom_s = S_RUN;
byte mark_s = P_NONE, mark_s_session;
byte disk_s = P_NONE;    /* what of it is sure to outlive a power cut */
byte note[NS];           /* the guardian's */
byte lock_s;             /* 0, a session's worker, or one of: */
#define RECOVERS 9
#define GUARDS   10      /* + session */
bool up_s = true;
bool xendomains; /* it has not run since the last boot */

/* Host D. */
#define D_NONE     0
#define D_INCOMING 1 /* NAME--incoming, paused */
#define D_PAUSED   2 /* NAME, not unpaused yet */
#define D_RUN      3
byte dom_d = D_NONE, dom_d_session;
#ifdef BREAK_ONE_PAUSE
#define HOLDS 1
#else
#define HOLDS 2 /* XLM__HELD_PAUSES */
#endif
byte pauses;    /* of the domain at D, while it is not D_RUN */
bool stray;     /* somebody's "xl unpause" took one */
byte mark_d = R_NONE, mark_d_session;
bool mark_d_old;     /* from before a boot */
byte lock_d;         /* 0, a session's receiver, or a look */
#define LOOKS 9
bool up_d = true;

/* Processes that have ended, or were killed: what they held is free then. */
bool over_w[NS], over_g[NS], over_r[NS], over_x[NS];
bool kill_v; /* recover is to die */
/* The pipe from receiver to xl, and xl's report. */
bool go[NS], eof[NS];
byte report[NS];

chan to_d[NS] = [5] of { mtype };
chan to_s[NS] = [5] of { mtype };
bool cut[NS];

byte session;        /* the current one */
byte faults = FAULTS;
/* What happened, for the claims only. */
bool ran;            /* at D, in this session              */
bool ended;          /* the guest shut itself down at D    */
bool crashed_s;
bool crashed_d;      /* while D had it, or might have      */
bool lost_go;        /* crashed with GO noted              */
bool fenced;         /* recover was told that D is dead    */
bool by_hand;        /* a person destroyed the copy        */

/* ---- what must never happen ---- */

inline start_s()
{
    d_step {
        assert(dom_d != D_RUN);          /* never two */
        /* After COMMIT only if D has proven that it never unpaused; a person
         * who says that D is dead takes that upon himself. */
        assert(!ran || fenced);
        assert(mark_d_session != session || fenced ||
               !R_DESTINATION_MAY(mark_d));
        assert(dom_s == S_SUSP);
        dom_s = S_RUN
    }
}

/* After a boot. */
inline fresh_s()
{
    d_step {
        assert(dom_d != D_RUN);          /* never two */
        assert(!ran || fenced);
        assert(dom_s == S_GONE);
        dom_s = S_RUN
    }
}

inline start_d()
{
    d_step {
        assert(dom_s != S_RUN);          /* never two */
        dom_d = D_RUN; ran = true
    }
}

inline unpause_d()
{
    d_step {
        pauses--;
        if :: pauses == 0 -> start_d() :: else fi
    }
}

inline destroy_s()
{
    d_step {
        assert(ran || lost_go);          /* not destroyed at both */
        dom_s = S_GONE
    }
}

inline destroy_d()
{
    d_step {
        assert(dom_d != D_RUN);
        dom_d = D_NONE
    }
}

/* By its id, which the next one does not have. */
inline destroy_own(s)
{
    d_step {
        if
        :: dom_d != D_NONE && dom_d_session == s ->
            assert(dom_d != D_RUN); dom_d = D_NONE
        :: else
        fi
    }
}

/* ---- pieces ---- */

/* What no living process reads any more is forgotten: fewer states. */
inline drain(c)
{
    do :: c?_ :: empty(c) -> break od;
    skip
}

inline end_w(s)
{
    d_step {
        over_w[s] = true;
        if :: lock_s == s -> lock_s = 0 :: else fi;
        drain(to_s[s])
    }
}

inline end_g(s)
{
    d_step {
        over_g[s] = true;
        note[s] = P_NONE;
        if :: lock_s == GUARDS + s -> lock_s = 0 :: else fi
    }
}

inline end_r(s)
{
    d_step {
        over_r[s] = true;
        if :: lock_d == s -> lock_d = 0 :: else fi;
        drain(to_d[s]);
        if
        :: over_x[s] -> go[s] = false; eof[s] = false
        :: else -> eof[s] = true
        fi;
        report[s] = 0
    }
}

inline end_x(s)
{
    d_step {
        over_x[s] = true;
        if
        :: over_r[s] -> go[s] = false; eof[s] = false; report[s] = 0
        :: else
        fi
    }
}

#define USE_FAULT d_step { faults > 0 -> faults-- }
/* Nothing more will come; or it comes too late, which is a fault too. */
#define HANG_UP(s, c, over) ((cut[s] || over[s]) && len(c) == 0)
#define LATE(s, c, over) \
    d_step { HANG_UP(s, c, over) || faults > 0 -> \
             if :: HANG_UP(s, c, over) \
                :: !HANG_UP(s, c, over) -> faults-- fi }

inline send_d(s, m)
{
    atomic { if :: cut[s] || over_r[s] :: else -> to_d[s]!m fi }
}

inline send_s(s, m)
{
    atomic { if :: cut[s] || over_w[s] :: else -> to_s[s]!m fi }
}

#ifdef BREAK_PERMIT_NOT_SYNCED
#define SYNCED(p) ((p) >= P_RUNNING)
#else
#define SYNCED(p) ((p) == P_PERMITTED || (p) >= P_RUNNING)
#endif

/* The file is made, and synced, when the copying begins. */
inline write_s(s, phase)
{
    d_step {
        if
        :: SYNCED(phase) || disk_s == P_NONE || mark_s_session != s ->
            disk_s = phase
        :: else
        fi;
        mark_s = phase; mark_s_session = s
    }
}

inline clear_s(s)
{
    d_step {
        if :: mark_s_session == s -> mark_s = P_NONE; disk_s = P_NONE :: else fi
    }
}

inline write_d(s, phase)
{
    d_step { mark_d = phase; mark_d_session = s; mark_d_old = false }
}

inline clear_d(s)
{
    d_step { if :: mark_d_session == s -> mark_d = R_NONE :: else fi }
}

/* ---- S: the worker ---- */

proctype worker(byte s)
{
    bool tell, await;
    {
        write_s(s, P_SUSPENDING);
        d_step { note[s] = P_SUSPENDING; dom_s = S_SUSP };
        send_d(s, TAIL);
        write_s(s, P_RENAMED);
        note[s] = P_RENAMED;
        if
        :: to_s[s]?READY
        :: to_s[s]?ABORT -> await = true; goto unwind
        :: to_s[s]?ABORTED -> goto unwind
        :: LATE(s, to_s[s], over_r) -> /* or cancelled */
            d_step { tell = true; await = true };
            goto unwind
        fi;
        write_s(s, P_PERMITTED);
        note[s] = P_PERMITTED;
#ifdef BREAK_DESTROY_BEFORE_COMMIT
        destroy_s();
#endif
        send_d(s, PERMIT);
        if
        :: to_s[s]?COMMIT
        :: to_s[s]?ABORTED -> goto unwind
        :: to_s[s]?ABORT -> /* is_ours() */
            if
            :: to_s[s]?ABORTED -> goto unwind
            :: LATE(s, to_s[s], over_r) -> goto undecided
            fi
        :: LATE(s, to_s[s], over_r) ->
#ifdef BREAK_RESUME_UNASKED
            goto unwind
#else
            goto undecided
#endif
        fi;
        write_s(s, P_COMMITTED);
        note[s] = P_COMMITTED;
#ifdef BREAK_DESTROY_AT_COMMIT
        destroy_s();
#endif
        if
        :: to_s[s]?RUNNING
        :: to_s[s]?NOT_RUNNING -> goto unwind
        :: LATE(s, to_s[s], over_r) -> note[s] = P_DONE; goto undecided
        fi;
        write_s(s, P_RUNNING);
        note[s] = P_RUNNING;
        destroy_s();
        write_s(s, P_MOVED);
        send_d(s, BYE);
        note[s] = P_DONE;
        goto undecided;
unwind:
        if /* note_return() */
        :: note[s] > P_RENAMED -> write_s(s, P_RENAMED); note[s] = P_RENAMED
        :: else
        fi;
        start_s();
#ifndef BREAK_BYE_BEFORE_CLEAR
        clear_s(s);
#endif
        if
        :: tell -> send_d(s, ABORT)
        :: else
        fi;
        do
        :: await -> /* what was under way is read and ignored */
            if
            :: to_s[s]?ABORTED -> await = false
            :: to_s[s]?READY
            :: to_s[s]?ABORT
            :: LATE(s, to_s[s], over_r) -> await = false
            fi
        :: !await -> break
        od;
        send_d(s, BYE);
#ifdef BREAK_BYE_BEFORE_CLEAR
        clear_s(s);
#endif
        note[s] = P_DONE;
undecided:
        skip;
        end_w(s)
    } unless {
        over_w[s]
    }
}

/* ---- S: its guardian, which outlives it ---- */

proctype guardian(byte s)
{
    {
        over_w[s];
#ifndef BREAK_GUARDIAN_WITHOUT_LOCK
        if
        :: note[s] == P_NONE || note[s] == P_DONE -> goto done
        :: else
        fi;
        if
        :: d_step { lock_s == 0 -> lock_s = GUARDS + s }
        :: lock_s != 0 -> goto done /* somebody else sees to it */
        fi;
        if
        :: mark_s == P_NONE || mark_s_session != s -> goto done
        :: else
        fi;
#endif
        if
        :: note[s] == P_SUSPENDING || note[s] == P_RENAMED ->
            if
            :: dom_s == S_SUSP ->
#ifdef BREAK_GUARDIAN_WITHOUT_LOCK
                d_step {
                    assert(dom_d != D_RUN);
                    assert(dom_s != S_GONE);
                    dom_s = S_RUN
                }
#else
                start_s()
#endif
            :: else
            fi;
            clear_s(s)
        :: note[s] == P_RUNNING ->
            if
            :: dom_s == S_SUSP -> destroy_s()
            :: else
            fi;
            write_s(s, P_MOVED)
        :: else
        fi;
done:
        skip;
        end_g(s)
    } unless {
        over_g[s]
    }
}

/* ---- D: xl migrate-receive, with the built domain ---- */

proctype xl(byte s)
{
    {
        if
        :: go[s] ->
            if
            :: d_step { dom_d == D_INCOMING && dom_d_session == s ->
                        dom_d = D_PAUSED }; /* renamed */
                report[s] = 1
            :: d_step { dom_d != D_INCOMING || dom_d_session != s ->
                        report[s] = 2 } /* a look has removed it */
            :: USE_FAULT; destroy_own(s); report[s] = 2
            fi
        :: !go[s] && eof[s] -> destroy_own(s)
        fi;
        end_x(s)
    } unless {
        over_x[s]
    }
}

/* ---- D: the receiver ---- */

/* restore_abort(): xl ends by itself or is killed, then what it left goes. */
inline abort_xl(s, done)
{
    eof[s] = true;
    if
    :: over_x[s]
    :: end_x(s)
    fi;
    if
    :: d_step {
           if
           :: dom_d == D_INCOMING || dom_d == D_PAUSED -> dom_d = D_NONE
           :: else
           fi;
           /* two strays */
           done = (dom_d == D_NONE)
       }
    :: d_step { dom_d != D_NONE && faults > 0 -> faults--; done = false }
    fi
}

proctype receiver(byte s)
{
    bool ready, done, told, took;
    {
        if
        :: to_d[s]?TAIL -> ready = true; send_s(s, READY)
        :: to_d[s]?ABORT -> told = true; goto give_up
        :: LATE(s, to_d[s], over_w) -> goto give_up
        fi;
        if
        :: to_d[s]?PERMIT
        :: to_d[s]?ABORT -> told = true; goto give_up
        :: LATE(s, to_d[s], over_w) -> goto give_up
        fi;

        send_s(s, COMMIT);
#ifdef BREAK_GO_FIRST
        write_d(s, R_GO);
#endif
        go[s] = true;
        if
        :: report[s] == 1
        :: report[s] == 2 -> goto stopped
        :: d_step { /* judge_without_report() */
               report[s] == 0 && (over_x[s] || faults > 0) ->
               if :: over_x[s] :: !over_x[s] -> faults-- fi
           };
            eof[s] = true;
            if
            :: over_x[s]
            :: end_x(s)
            fi;
            if
            :: dom_d == D_PAUSED || dom_d == D_RUN
            :: dom_d == D_INCOMING || dom_d == D_NONE -> goto stopped
            fi
        fi;
        if
        :: write_d(s, R_GO)
        :: USE_FAULT; goto stopped
        fi;
        do /* xlm__dest_let_go(), as the last act */
        :: d_step { dom_d == D_PAUSED -> unpause_d(); took = true }
        :: dom_d == D_RUN || dom_d == D_NONE -> goto runs
        :: d_step { dom_d == D_PAUSED && faults > 0 -> faults-- }; /* fails */
            if
            :: took -> goto leave /* somebody's stray one may start it */
            :: else -> write_d(s, R_NEVER); goto stopped
            fi
        od;
stopped:
        abort_xl(s, done);
        if
        :: done
        :: else -> goto leave
        fi;
never_ran:
        skip;
        write_d(s, R_NEVER);
        send_s(s, NOT_RUNNING);
        goto bye;
runs:
        skip;
        write_d(s, R_RUNS);
        send_s(s, RUNNING);
        goto bye;

give_up:
        if
        :: told
        :: !told -> send_s(s, ABORT)
        fi;
        abort_xl(s, done);
        if
        :: !ready -> clear_d(s)
        :: else
        fi;
        if
        :: done -> send_s(s, ABORTED)
        :: else -> goto leave
        fi;
bye: /* its own BYE is read by nobody who decides by it */
        do
        :: to_d[s]?BYE -> clear_d(s); break
        :: to_d[s]?PERMIT /* under way when we gave up: ignored */
        :: to_d[s]?ABORT
        :: to_d[s]?TAIL
        :: LATE(s, to_d[s], over_w) -> break
        od;
leave:
        skip;
        end_r(s)
    } unless {
        over_r[s]
    }
}

/* ---- the operator ---- */

#define QUIET_AT(s) (over_w[s] && over_g[s] && over_r[s] && over_x[s])
#if SESSIONS == 2
#define QUIET (QUIET_AT(1) && (session == 1 || QUIET_AT(2)))
#else
#define QUIET QUIET_AT(1)
#endif

/* recover.c: judge() and is_certain(), of what was read. */
inline judge(m, busy, old, fate)
{
    if
    :: busy && m != R_RUNS && !(m == R_GO && dom_d == D_RUN) -> fate = F_BUSY
    :: else ->
        if
        :: R_SOURCE_MAY(m) ->
            fate = (dom_d == D_NONE -> F_NEVER : F_LEFT)
        :: m == R_GO && dom_d == D_NONE -> fate = F_RAN
        :: m == R_GO && dom_d == D_RUN -> fate = F_RUNS
        :: m == R_GO && dom_d != D_NONE && dom_d != D_RUN -> fate = F_LEFT
        :: m == R_RUNS -> fate = (dom_d == D_NONE -> F_RAN : F_RUNS)
        fi
    fi
}

#define HELD_BACK (dom_d == D_INCOMING || dom_d == D_PAUSED)

/* recover_look.c: what a receiver that died would have done.  The lock is the
 * look's until D goes down. */
inline finish(s)
{
    if
    :: d_step { lock_d == LOOKS && dom_d == D_NONE && m == R_BUILDING ->
                write_d(s, R_NEVER); m = R_NEVER }
    :: d_step { lock_d == LOOKS && dom_d == D_PAUSED && m == R_GO ->
                unpause_d() };
        if
        :: d_step { lock_d == LOOKS && dom_d == D_PAUSED -> unpause_d() }
        :: lock_d != LOOKS || dom_d != D_PAUSED
        fi;
        d_step {
            if
            :: lock_d == LOOKS -> write_d(s, R_RUNS); m = R_RUNS
            :: else
            fi
        }
    :: d_step { lock_d == LOOKS && HELD_BACK && R_SOURCE_MAY(m) ->
                write_d(s, R_NEVER); m = R_NEVER };
        d_step { /* xl may have renamed it since */
            if
            :: lock_d == LOOKS && HELD_BACK -> dom_d = D_NONE
            :: else
            fi
        }
    :: d_step { lock_d != LOOKS ||
                !((dom_d == D_NONE && m == R_BUILDING) ||
                  (dom_d == D_PAUSED && m == R_GO) ||
                  (HELD_BACK && R_SOURCE_MAY(m))) -> skip }
    fi
}

/* xlm__recover_look(), at D. */
inline look(s, fate)
{
    d_step {
        busy = false;
        m = R_NONE;
        quiet = QUIET; /* nobody else is at work any more */
        if
        :: mark_d != R_NONE && mark_d_session == s ->
            m = mark_d;
            if
            :: lock_d == 0 -> lock_d = LOOKS
            :: else -> busy = true
            fi
        :: else
        fi
    };
    finish(s);
    d_step {
        if
        :: !up_d -> fate = F_NONE
        :: up_d && m == R_NONE -> fate = F_UNKNOWN
        :: else -> judge(m, busy, mark_d_old, fate)
        fi;
        quiet = quiet && up_d;
        if :: lock_d == LOOKS -> lock_d = 0 :: else fi
    }
}

/* ---- what goes wrong ---- */

inline cut_off(c)
{
    if
    :: d_step { drain(c) }
    :: true
    fi
}

proctype faulty(byte s)
{
end:
    do
    :: d_step { faults > 0 && !over_w[s] -> faults--; end_w(s) }
    :: d_step { faults > 0 && !over_g[s] -> faults--; end_g(s) }
    :: d_step { faults > 0 && !over_r[s] -> faults--; end_r(s) }
    :: d_step { faults > 0 && !over_x[s] -> faults--; end_x(s) }
    :: d_step { faults > 0 && lock_s == RECOVERS -> faults--; kill_v = true }
    :: atomic {
           faults > 0 && !cut[s] && !(over_w[s] && over_r[s]) ->
               faults--;
               cut[s] = true;
               cut_off(to_d[s]);
               cut_off(to_s[s])
       }
    :: atomic { /* S loses its power */
            faults > 0 && up_s ->
            faults--;
            up_s = false; xendomains = false;
            crashed_s = true;
            dom_s = S_GONE;
            end_w(s); end_g(s);
            if :: lock_s == RECOVERS -> kill_v = true :: else fi;
            lock_s = 0;
            if
            :: mark_s != disk_s -> mark_s = disk_s
            :: true
            fi
        }
    :: d_step { !up_s -> up_s = true; xendomains = true }
    :: d_step { /* D does */
            faults > 0 && up_d ->
            faults--;
            up_d = false;
            crashed_d = true;
            if :: mark_d_session == session && mark_d == R_GO -> lost_go = true
               :: else fi;
            mark_d_old = true;
            dom_d = D_NONE;
            end_x(s); end_r(s);
            lock_d = 0
        }
    :: !up_d -> up_d = true
    :: d_step { /* somebody's "xl unpause" */
            faults > 0 && s == session && !stray &&
                (dom_d == D_INCOMING || dom_d == D_PAUSED) ->
            faults--; stray = true;
            unpause_d()
        }
    :: d_step { /* the guest ends by itself */
            faults > 0 && s == session && dom_d == D_RUN ->
            faults--; dom_d = D_NONE; ended = true
        }
    od
}

inline begin(s)
{
    d_step {
        session = s;
        ran = false; lost_go = false;
        crashed_s = false;
        lock_s = s; lock_d = s;
        mark_d = R_BUILDING; mark_d_session = s; mark_d_old = false;
        dom_d = D_INCOMING; dom_d_session = s;
        pauses = HOLDS; stray = false
    };
    run worker(s);
    run guardian(s);
    run receiver(s);
    run xl(s);
    run faulty(s)
}

/* Recovers any number of times; and whoever may, moves the domain again. */
proctype operator()
{
    byte m, fate, phase, s;
    bool busy, quiet, peer_dead;
end:
    do
    :: atomic {
           up_s && lock_s == 0 &&
               ((dom_s == S_SUSP && mark_s != P_NONE) ||
                (dom_s == S_GONE && OPEN(mark_s))) ->
           lock_s = RECOVERS; phase = mark_s; s = mark_s_session;
           if
           :: true
           :: !up_d -> peer_dead = true
           fi
       };
        {
            if
            :: SOURCE_MAY(phase) -> fate = F_NEVER
            :: phase == P_RUNNING -> fate = F_RUNS
            :: else ->
                if
                :: peer_dead && phase == P_PERMITTED -> fenced = true; fate = F_NEVER
                :: peer_dead && phase == P_COMMITTED && dom_s == S_GONE ->
                    fenced = true; fate = F_NEVER
                :: peer_dead && phase == P_COMMITTED && dom_s == S_SUSP ->
                    /* "xl destroy, then xl create" */
                    d_step { dom_s = S_GONE; by_hand = true }
                :: !peer_dead && up_d -> look(s, fate)
                :: !peer_dead && !up_d
                :: d_step { !peer_dead && up_d && faults > 0 -> faults-- }
                fi
            fi;
            if
            :: fate == F_NEVER && dom_s == S_SUSP -> start_s(); clear_s(s)
            :: fate == F_NEVER && dom_s == S_GONE -> clear_s(s)
            :: fate == F_RUNS || fate == F_RAN ->
                if :: dom_s == S_SUSP -> destroy_s() :: else fi;
                write_s(s, P_MOVED)
            :: else ->
                /* With both sides up and nobody at work it has to end decided. */
                assert(!quiet || ended)
            fi;
            skip
        } unless {
            kill_v
        };
        d_step {
            if :: lock_s == RECOVERS -> lock_s = 0 :: else fi;
            if :: lock_d == LOOKS -> lock_d = 0 :: else fi;
            kill_v = false; peer_dead = false;
            m = 0; fate = 0; phase = 0; s = 0; busy = false; quiet = false
        }
#if SESSIONS == 2
    :: atomic {
           session == 1 && up_s && dom_s == S_RUN && lock_s == 0 &&
               up_d && lock_d == 0 && dom_d == D_NONE ->
               begin(2)
       }
#endif
    :: atomic { /* what boots starts what is its own */
           up_s && xendomains && dom_s == S_GONE && lock_s == 0 &&
               !KEPT_FROM_START -> xendomains = false; fresh_s()
       }
    :: d_step {
           QUIET && dom_s != S_SUSP && (!up_s || !OPEN(mark_s)) ->
               assert(dom_s == S_RUN || dom_d == D_RUN || ended ||
                      (crashed_s && !ran) || (crashed_d && (ran || lost_go)) ||
                      by_hand);
               assert(!by_hand || crashed_d || ended)
       };
       break
    od
}

init
{
    atomic {
        begin(1);
        run operator()
    }
}
