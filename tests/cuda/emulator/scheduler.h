/* Runs a launch: one block after the other, and in each block one thread after the other up to its next barrier.
   Python gives the orders of blocks and threads. The order of threads is reversed after each barrier. */

const int64_t n_arguments = N_ARGUMENTS, static_shared = STATIC_SHARED, most_threads = MOST_THREADS;

static void place(struct Launch *launch, int64_t block)
{
    launch->block = block;
    launch->place[0] = block % launch->grid[0];
    launch->place[1] = block / launch->grid[0] % launch->grid[1];
    launch->place[2] = block / launch->grid[0] / launch->grid[1];
}

static void run_interval(struct Launch *launch, struct Thread *threads, int turned)
{
    for (int64_t k = 0; k < launch->n_threads; k++) {
        int64_t thread = launch->thread_order[turned ? launch->n_threads - 1 - k : k];
        launch->thread = thread;
        launch->memories[OF_THREAD].base = (uint64_t)threads[thread].local;
        if (threads[thread].barrier != ENDED)
            run_thread(launch, &threads[thread]);
    }
}

/* Whether threads wait at a barrier. All threads must wait at the same one. */
static int pass_barrier(struct Launch *launch, const struct Thread *threads)
{
    int64_t first = 0;
    while (first < launch->n_threads && threads[first].barrier == ENDED)
        first++;
    if (first == launch->n_threads)
        return 0;
    for (launch->thread = 0; launch->thread < launch->n_threads; launch->thread++) {
        int64_t barrier = threads[launch->thread].barrier;
        if (barrier == ENDED)
            report(launch, "has ended where {} waits at this barrier", threads[first].barrier, NULL, 0, first, 0);
        else if (barrier != threads[first].barrier)
            report(launch, "waits at this barrier, {} at another", barrier, NULL, 0, first, 0);
    }
    return 1;
}

static void run_block(struct Launch *launch, int64_t block, struct Thread *threads)
{
    place(launch, block);
    launch->block_begin = ++launch->interval;
    memset((void *)launch->memories[OF_BLOCK].base, 0xff, launch->memories[OF_BLOCK].size); /* NaN */
    memset(threads, 0xff, launch->n_threads * sizeof *threads);
    for (int64_t k = 0; k < launch->n_threads; k++)
        threads[k].barrier = 0;
    int turned = 0;
    do {
        run_interval(launch, threads, turned);
        turned = !turned;
        launch->interval++;
    } while (pass_barrier(launch, threads));
}

void run(struct Launch *launch)
{
    struct Thread *threads = malloc(launch->n_threads * sizeof *threads);
    launch->memories[OF_THREAD].size = sizeof threads->local;
    launch->memories[CONSTANTS].base = (uint64_t)constants;
    launch->memories[CONSTANTS].size = sizeof constants;
    launch->launch_begin = launch->interval + 1;
    for (int64_t k = 0; k < launch->n_blocks; k++)
        run_block(launch, launch->block_order[k], threads);
    free(threads);
}
