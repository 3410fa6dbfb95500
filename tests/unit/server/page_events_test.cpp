#include "../../../src/server/page_events.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace spillway::server {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

class page_events : public testing::Test {
protected:
    // A page: what it reads is read by the test.
    tcp::socket open(event_streams& to) {
        tcp::socket page(io_);
        page.connect(acceptor_.local_endpoint());
        to.add(boost::beast::tcp_stream(acceptor_.accept()));
        page.non_blocking(true);
        return page;
    }
    // Runs until that many events were made.
    void run_until(int made) {
        while (made_ < made) ASSERT_EQ(io_.run_one_for(seconds(10)), 1u);
    }
    std::string read(tcp::socket& page) {
        std::string out(std::size_t{1} << 20, '\0');
        boost::system::error_code ec;
        io_.poll();
        out.resize(page.read_some(asio::buffer(out), ec));
        return out;
    }
    std::shared_ptr<event_streams> make(std::size_t bytes, event_streams::pace times) {
        return std::make_shared<event_streams>(
            io_, [this, bytes] { return "#" + std::to_string(++made_) + std::string(bytes, 'x'); }, times);
    }

    asio::io_context io_;
    tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
    int made_{0};
};

TEST_F(page_events, one_event_is_made_for_all_and_none_without_anybody) {
    const auto streams = make(0, {milliseconds(1), seconds(10)});
    auto one = open(*streams), two = open(*streams);
    EXPECT_EQ(made_, 1) << "openings in a row share an event";
    run_until(3);
    EXPECT_NE(read(one).find("data: #2\n\n"), std::string::npos);
    EXPECT_NE(read(two).find("data: #2\n\n"), std::string::npos);
    one.close();
    two.close();
    // Their ends are noticed, and the timer ends: nothing is left to run.
    io_.run_for(seconds(10));
    EXPECT_TRUE(io_.stopped());
}

TEST_F(page_events, a_slow_page_misses_events_and_is_given_up) {
    const std::size_t bytes = std::size_t{8} << 20;  // more than the kernel takes
    const auto streams = make(bytes, {milliseconds(1), milliseconds(300)});
    auto slow = open(*streams);
    const auto given_up = clock::now() + seconds(20);
    while (io_.run_one_for(seconds(1)) == 1 && clock::now() < given_up) {
    }
    EXPECT_TRUE(io_.stopped()) << "it is still held";
    EXPECT_GT(made_, 1);
    std::string all;
    for (std::string piece; !(piece = read(slow)).empty();) all += piece;
    EXPECT_EQ(all.find("data: #2"), std::string::npos) << "events wait for it";
}

TEST_F(page_events, there_is_a_most_of_them_and_an_end) {
    const auto streams = make(0, {seconds(10), seconds(10)});
    std::vector<tcp::socket> pages;
    while (!streams->full()) pages.push_back(open(*streams));
    EXPECT_EQ(pages.size(), event_streams::most);
    pages.back().close();
    for (int i = 0; i < 1000 && streams->full(); ++i) io_.run_one_for(milliseconds(10));
    EXPECT_FALSE(streams->full());
    streams->close_all();
    io_.poll();
    auto& first = pages.front();
    first.non_blocking(false);
    boost::system::error_code ec;
    std::array<char, 4096> bytes{};
    while (!ec) first.read_some(asio::buffer(bytes), ec);
    EXPECT_EQ(ec, asio::error::eof);
}

}  // namespace
}  // namespace spillway::server
